#!/usr/bin/env python3
"""Run complete_journey.sql and print its answers as JSON.

    complete_journey.py DATA_DIR BRAND START END     metrics of one brand
    complete_journey.py --all DATA_DIR START END     an object: brand -> metrics, for the ten brands

DATA_DIR holds the seven Parquet files of The Complete Journey; START and END are days
(YYYY-MM-DD, both included) in America/New_York. Needs the PyPI package `duckdb`.
"""

import argparse
import datetime
import json
import pathlib
import sys

import duckdb

BRANDS = [544, 1208, 103, 764, 317, 673, 1251, 194, 1046, 794]
SCRIPT = pathlib.Path(__file__).with_name("complete_journey.sql")


def parts():
    """The script's two halves: the facts, and the metrics of one brand."""
    text = SCRIPT.read_text(encoding="utf-8")
    marker = "-- ============================================================ part 2"
    at = text.index(marker)
    return text[:at], text[at:]


def open_facts(data_dir, facts_sql):
    con = duckdb.connect()
    con.execute("SET threads = 1")  # sums of floating point in one order
    con.execute("SET VARIABLE data_dir = ?", [str(data_dir)])
    con.execute(facts_sql)
    return con


def metrics(con, metrics_sql, brand, start, end):
    con.execute("SET VARIABLE brand = ?", [brand])
    con.execute("SET VARIABLE window_start = ?", [start.isoformat()])
    con.execute("SET VARIABLE window_end = ?", [end.isoformat()])
    con.execute(metrics_sql)
    checks = con.execute("SELECT name, ok FROM self_check ORDER BY name").fetchall()
    broken = [name for name, ok in checks if ok is not True]
    if not checks or broken:
        sys.exit(f"brand {brand}: self check failed: {', '.join(broken) or 'none ran'}")
    rows = con.execute("SELECT metric, body FROM answer").fetchall()
    return {metric: json.loads(body) for metric, body in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="the ten brands instead of one")
    parser.add_argument("args", nargs="+", metavar="ARG", help="DATA_DIR [BRAND] START END")
    options = parser.parse_args()
    if len(options.args) != (3 if options.all else 4):
        parser.error("expected DATA_DIR START END" if options.all else "expected DATA_DIR BRAND START END")
    data_dir = pathlib.Path(options.args[0])
    start, end = (datetime.date.fromisoformat(day) for day in options.args[-2:])
    if end < start:
        parser.error("END is before START")

    facts_sql, metrics_sql = parts()
    con = open_facts(data_dir, facts_sql)
    if options.all:
        result = {str(b): metrics(con, metrics_sql, b, start, end) for b in BRANDS}
    else:
        result = metrics(con, metrics_sql, int(options.args[1]), start, end)
    json.dump(result, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
