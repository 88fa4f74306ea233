"""Seconds that DuckDB and ClickHouse (chDB) take to insert a Parquet file of behaviours, durably, and DuckDB to copy a CSV
file of orders.

Answers {"duckdb": [seconds...], "clickhouse": [seconds...], "duckdb_csv": [seconds...]} on standard output.
"""

import argparse
import json
import pathlib
import shutil
import sys
import time

import duckdb
from chdb import session

DUCKDB_TABLE = """
CREATE TABLE behaviors (
    event_id VARCHAR NOT NULL, consumer VARCHAR NOT NULL, brand VARCHAR NOT NULL, kind TINYINT NOT NULL,
    occurred_at TIMESTAMPTZ NOT NULL, product VARCHAR, content VARCHAR, category VARCHAR, channel VARCHAR,
    venue TINYINT, keyword VARCHAR, keyword_class TINYINT, dwell_ms BIGINT, source VARCHAR)
"""

ORDERS_TABLE = """
CREATE TABLE order_lines (
    "order" VARCHAR NOT NULL, line VARCHAR NOT NULL, consumer VARCHAR NOT NULL, brand VARCHAR NOT NULL,
    product VARCHAR NOT NULL, category VARCHAR, quantity BIGINT NOT NULL, list_price DECIMAL(18, 4),
    paid_amount DECIMAL(18, 4) NOT NULL, paid_at TIMESTAMP NOT NULL, message VARCHAR)
"""

# Ordered by brand, as our table is partitioned by it. A part is forced to the disk before the insert returns, as
# our files and DuckDB's are.
CLICKHOUSE_TABLE = """
CREATE TABLE bench.behaviors (
    event_id String, consumer String, brand String, kind Int8, occurred_at DateTime64(6, 'UTC'),
    product Nullable(String), content Nullable(String), category Nullable(String), channel Nullable(String),
    venue Nullable(Int8), keyword Nullable(String), keyword_class Nullable(Int8), dwell_ms Nullable(Int64),
    source Nullable(String))
ENGINE = MergeTree ORDER BY brand SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""


def timed(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def expect(found, rows, engine):
    if found != rows:
        sys.exit(f"{engine} holds {found} of {rows} rows")


def in_duckdb(folder, rows, create, table, statement):
    path = folder / "duckdb"
    path.mkdir()
    with duckdb.connect(path / "facts.duckdb", config={"threads": 2}) as database:
        database.execute(create)

        def insert():
            database.execute(statement)
            database.execute("CHECKPOINT")

        seconds = timed(insert)
        expect(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0], rows, "DuckDB")
    shutil.rmtree(path)
    return seconds


def in_clickhouse(file, folder, rows, runs):
    path = folder / "clickhouse"
    database = session.Session(str(path))
    database.query("CREATE DATABASE bench ENGINE = Atomic")
    seconds = []
    for _ in range(runs):
        database.query(CLICKHOUSE_TABLE)
        insert = f"INSERT INTO bench.behaviors SELECT * FROM file('{file}', Parquet) SETTINGS max_threads = 2"
        seconds.append(timed(lambda: database.query(insert)))
        expect(int(str(database.query("SELECT count() FROM bench.behaviors")).strip()), rows, "ClickHouse")
        database.query("DROP TABLE bench.behaviors SYNC")
    database.close()
    shutil.rmtree(path, ignore_errors=True)
    return seconds


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--file", type=pathlib.Path, required=True)
    arguments.add_argument("--csv", type=pathlib.Path, required=True)
    arguments.add_argument("--folder", type=pathlib.Path, required=True)
    arguments.add_argument("--runs", type=int, required=True)
    arguments.add_argument("--rows", type=int, required=True)
    given = arguments.parse_args()
    parquet = f"INSERT INTO behaviors SELECT * FROM read_parquet('{given.file}')"
    csv = f"COPY order_lines FROM '{given.csv}' (HEADER)"
    inserts = {"duckdb": (DUCKDB_TABLE, "behaviors", parquet), "duckdb_csv": (ORDERS_TABLE, "order_lines", csv)}
    answer = {
        **{
            name: [in_duckdb(given.folder, given.rows, *insert) for _ in range(given.runs)]
            for name, insert in inserts.items()
        },
        "clickhouse": in_clickhouse(given.file, given.folder, given.rows, given.runs),
    }
    print(answer, file=sys.stderr)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
