"""AIPL and FAST of one brand by DuckDB on Parquet files, by ClickHouse (chDB) on its own table, and by ClickHouse on
tables of bitmaps, as its users build them.

Answers {engine: {"cold_ms": [...], "warm_ms": [...], "metrics": {id: {"value", "numerator", "denominator"}}}} on
standard output. The windows of warm runs end a day before those of the run before. All use two threads.
"""

import argparse
import json
import pathlib
import shutil
import sys
import time

import duckdb
from chdb import session

import groups
from metrics import metrics

PASSIVE, ACTIVE, LOYAL, BROWSE = groups.PASSIVE, groups.ACTIVE, groups.LOYAL, groups.BROWSE
DAY = "toInt32(intDiv(toUnixTimestamp64Micro({}) + 28800000000, 86400000000))"


def timed(run):
    started = time.perf_counter()
    answer = run()
    return (time.perf_counter() - started) * 1000, answer


def windows(given):
    return [(given.first - back, given.last - back) for back in range(given.warm_runs + 1)]


def duck(given):
    cold, warm, answer = [], [], {}
    for _ in range(given.cold_runs):
        with duckdb.connect(config={"threads": 2}) as database:
            for view in groups.views(given.folder):
                database.execute(view)
            for run, (first, last) in enumerate(windows(given)):
                values = {"brand": given.brand, "s": first, "e": last}

                def ask():
                    found = {}
                    for group in ("aipl", "fast"):
                        query = groups.SQL[group]
                        asked = {name: values[name] for name in groups.names(query)}
                        rows = database.execute(query, asked)
                        found |= metrics([column[0] for column in rows.description], rows.fetchone())
                    return found

                took, found = timed(ask)
                (warm if run else cold).append(took)
                if not run:
                    answer = found
    return {"cold_ms": cold, "warm_ms": warm, "metrics": answer}


class ClickHouse:
    """A ClickHouse on the folder; each is a process's first when it is opened anew."""

    def __init__(self, folder):
        self.session = session.Session(str(folder))
        self.run("SET max_threads = 2")

    def run(self, sql):
        return self.session.query(sql, "JSONCompactColumns")

    def row(self, sql):
        answer = json.loads(str(self.session.query(sql, "JSON")))
        return [column["name"] for column in answer["meta"]], [
            answer["data"][0][column["name"]] for column in answer["meta"]
        ]

    def close(self):
        self.session.close()


def fill(database, given):
    """The three facts as ClickHouse tables, ordered by brand and day."""
    database.run("CREATE DATABASE people")
    file = lambda fact: f"file('{given.folder}/{fact}*.parquet', Parquet)"
    database.run(f"""
        CREATE TABLE people.behaviors ENGINE = MergeTree ORDER BY (brand, day, kind) AS
        SELECT assumeNotNull(brand) AS brand, {DAY.format('assumeNotNull(occurred_at)')} AS day,
            toInt8(assumeNotNull(kind)) AS kind, assumeNotNull(consumer) AS consumer FROM {file('behavior')}""")
    database.run(f"""
        CREATE TABLE people.lines ENGINE = MergeTree ORDER BY (brand, day) AS
        SELECT brand, day, consumer, quantity FROM (
            SELECT assumeNotNull(brand) AS brand, {DAY.format('assumeNotNull(paid_at)')} AS day,
                assumeNotNull(consumer) AS consumer, assumeNotNull(quantity) AS quantity, "order", line, revision, paid_at
            FROM {file('order_line')})
        ORDER BY coalesce(revision, 0) DESC, paid_at DESC LIMIT 1 BY brand, "order", line""")
    database.run(f"""
        CREATE TABLE people.members ENGINE = MergeTree ORDER BY brand AS
        SELECT brand, consumer, role, joined, coalesce(gone, 1000000) AS gone FROM (
            SELECT assumeNotNull(brand) AS brand, assumeNotNull(consumer) AS consumer, toInt8(assumeNotNull(role)) AS role,
                joined_at, revision, {DAY.format('assumeNotNull(joined_at)')} AS joined,
                if(isNull(left_at), NULL, {DAY.format('left_at')}) AS gone FROM {file('member')})
        ORDER BY coalesce(revision, 0) DESC, gone LIMIT 1 BY brand, consumer, role, joined_at""")


def raw_sql(brand, s, e):
    """One pass over the facts: what every consumer is on both days, then the counts."""

    def flags(on, name):
        return f"""
            countIf(kind IN {PASSIVE} AND day > {on} - 15 AND day <= {on}) > 0 AS passive{name},
            countIf(kind IN {ACTIVE} AND day > {on} - 15 AND day <= {on}) > 0 AS active{name},
            uniqExactIf(day, kind = {BROWSE} AND day > {on} - 15 AND day <= {on}) AS browsed{name},
            countIf(kind IN {LOYAL} AND day > {on} - 365 AND day <= {on}) > 0 AS loyal{name},
            uniqExactIf(day, kind = 100 AND day > {on} - 365 AND day <= {on}) AS bought{name},
            countIf(kind = 100 AND day > {on} - 913 AND day <= {on}) > 0 AS ever{name},
            countIf(kind > 100 AND day <= {on} AND {on} < gone) > 0 AS standing{name},
            multiIf(bought{name} >= 2 OR (bought{name} >= 1 AND loyal{name}), 4, ever{name}, 3,
                active{name} OR browsed{name} >= 2 OR standing{name}, 2, passive{name} OR browsed{name} = 1, 1, 0)
                AS stage{name}"""

    return f"""
        SELECT {counts_sql()}
        FROM (
            SELECT consumer, {flags(s - 1, 0)}, {flags(e, 1)},
                countIf((kind IN {PASSIVE} OR kind IN {ACTIVE} OR kind = {BROWSE}) AND day BETWEEN {s - 14} AND {e}
                    OR kind = 100 AND day BETWEEN {s - 912} AND {e}
                    OR kind > 100 AND day <= {e} AND gone > {s} AND gone > day) > 0 AS fertile,
                maxIf(kind, kind > 100 AND day <= {e} AND {e} < gone) IN (101, 103, 104) AS super,
                super AND (countIf(kind IN {ACTIVE} AND day BETWEEN {e - 179} AND {e}) > 0
                    OR uniqExactIf(day, kind = {BROWSE} AND day BETWEEN {e - 179} AND {e}) >= 2
                    OR countIf(kind = 100 AND day BETWEEN {e - 179} AND {e}) > 0) AS thriving
            FROM (
                SELECT consumer, day, kind, 0 AS gone FROM people.behaviors
                WHERE brand = '{brand}' AND day BETWEEN {s - 1 - 364} AND {e}
                UNION ALL
                SELECT consumer, day, 100, 0 FROM people.lines
                WHERE brand = '{brand}' AND quantity > 0 AND day BETWEEN {s - 1 - 912} AND {e}
                UNION ALL
                SELECT consumer, joined, 100 + role, gone FROM people.members WHERE brand = '{brand}')
            GROUP BY consumer)"""


def counts_sql():
    stages = ("awareness", "interest", "purchase", "loyalty")
    parts = [f'countIf(stage1 = {depth}) AS "aipl.{name}"' for depth, name in enumerate(stages, 1)]
    parts.append('countIf(stage1 > 0) AS "aipl.total"')
    parts.append('countIf(fertile) AS "fast.fertility"')
    parts.append('countIf(stage0 > 0 AND stage1 > stage0) AS "fast.advancing/n"')
    parts.append('countIf(stage0 > 0) AS "fast.advancing/d"')
    for depth, name in enumerate(stages[:3], 1):
        parts.append(f'countIf(stage0 = {depth} AND stage1 > {depth}) AS "fast.advancing.{name}/n"')
        parts.append(f'countIf(stage0 = {depth}) AS "fast.advancing.{name}/d"')
    parts.append('countIf(super) AS "fast.superiority"')
    parts.append('countIf(thriving) AS "fast.thriving/n"')
    parts.append('countIf(super) AS "fast.thriving/d"')
    return ", ".join(parts)


def fill_bitmaps(database):
    """Numbers of consumers, bitmaps by brand, kind and day, and for questions about several days their people."""
    database.run("""
        CREATE TABLE people.numbers ENGINE = MergeTree ORDER BY consumer AS
        SELECT consumer, toUInt32(rowNumberInAllBlocks()) AS number FROM (
            SELECT consumer FROM people.behaviors UNION DISTINCT SELECT consumer FROM people.lines
            UNION DISTINCT SELECT consumer FROM people.members)""")
    database.run("""
        CREATE TABLE people.days ENGINE = MergeTree ORDER BY (brand, kind, day) AS
        SELECT DISTINCT brand, kind, day, number FROM (
            SELECT brand, kind, day, consumer FROM people.behaviors
            UNION ALL SELECT brand, toInt8(100), day, consumer FROM people.lines WHERE quantity > 0) AS facts
        INNER JOIN people.numbers USING consumer""")
    database.run("""
        CREATE TABLE people.bitmaps (brand String, kind Int8, day Int32, people AggregateFunction(groupBitmap, UInt32))
        ENGINE = AggregatingMergeTree ORDER BY (brand, kind, day)""")
    database.run("""
        INSERT INTO people.bitmaps SELECT brand, kind, day, groupBitmapState(number) FROM people.days
        GROUP BY brand, kind, day""")
    database.run("""
        CREATE TABLE people.roles ENGINE = MergeTree ORDER BY brand AS
        SELECT brand, number, role, joined, gone FROM people.members INNER JOIN people.numbers USING consumer""")


def bitmap_sql(brand, s, e):
    """Set algebra on the bitmaps; who did something on several days comes from the people of the days."""

    def any_of(kinds, first, last):
        return f"""(SELECT groupBitmapMergeState(people) FROM people.bitmaps
            WHERE brand = '{brand}' AND kind IN {kinds} AND day BETWEEN {first} AND {last})"""

    def often(kind, first, last):
        return f"""(SELECT groupBitmapState(number) FROM (
            SELECT number FROM people.days WHERE brand = '{brand}' AND kind = {kind} AND day BETWEEN {first} AND {last}
            GROUP BY number HAVING count() >= 2))"""

    def roles(condition):
        return f"(SELECT groupBitmapState(number) FROM people.roles WHERE brand = '{brand}' AND {condition})"

    def stages(on, name):
        return f"""
            bitmapOr({often(100, on - 364, on)}, bitmapAnd({any_of('(100)', on - 364, on)},
                {any_of(LOYAL, on - 364, on)})) AS l{name},
            bitmapAndnot({any_of('(100)', on - 912, on)}, l{name}) AS p{name},
            bitmapOr(l{name}, p{name}) AS buyers{name},
            {often(BROWSE, on - 14, on)} AS often{name},
            bitmapAndnot(bitmapOr(bitmapOr({any_of(ACTIVE, on - 14, on)}, often{name}),
                {roles(f'joined <= {on} AND {on} < gone')}), buyers{name}) AS i{name},
            bitmapOr(buyers{name}, i{name}) AS deeper{name},
            bitmapAndnot(bitmapOr({any_of(PASSIVE, on - 14, on)},
                bitmapAndnot({any_of(f'({BROWSE})', on - 14, on)}, often{name})), deeper{name}) AS a{name},
            bitmapOr(a{name}, deeper{name}) AS total{name}"""

    kinds = f"({PASSIVE[1:-1]}, {ACTIVE[1:-1]}, {BROWSE})"
    return f"""
        WITH {stages(s - 1, 0)}, {stages(e, 1)},
            bitmapOr(bitmapOr({any_of(kinds, s - 14, e)}, {any_of('(100)', s - 912, e)}),
                {roles(f'joined <= {e} AND gone > {s} AND gone > joined')}) AS fertile,
            (SELECT groupBitmapState(number) FROM (
                SELECT number FROM people.roles WHERE brand = '{brand}' AND joined <= {e} AND {e} < gone
                GROUP BY number HAVING max(role) IN (1, 3, 4))) AS supers,
            bitmapOr(bitmapOr({any_of(ACTIVE, e - 179, e)}, {any_of('(100)', e - 179, e)}),
                {often(BROWSE, e - 179, e)}) AS active,
            bitmapAndCardinality(a0, deeper1) AS na, bitmapAndCardinality(i0, buyers1) AS ni,
            bitmapAndCardinality(p0, l1) AS np
        SELECT bitmapCardinality(a1) AS "aipl.awareness", bitmapCardinality(i1) AS "aipl.interest",
            bitmapCardinality(p1) AS "aipl.purchase", bitmapCardinality(l1) AS "aipl.loyalty",
            bitmapCardinality(total1) AS "aipl.total", bitmapCardinality(fertile) AS "fast.fertility",
            na + ni + np AS "fast.advancing/n", bitmapCardinality(total0) AS "fast.advancing/d",
            na AS "fast.advancing.awareness/n", bitmapCardinality(a0) AS "fast.advancing.awareness/d",
            ni AS "fast.advancing.interest/n", bitmapCardinality(i0) AS "fast.advancing.interest/d",
            np AS "fast.advancing.purchase/n", bitmapCardinality(p0) AS "fast.advancing.purchase/d",
            bitmapCardinality(supers) AS "fast.superiority",
            bitmapAndCardinality(supers, active) AS "fast.thriving/n",
            bitmapCardinality(supers) AS "fast.thriving/d\""""


def clickhouse(given, folder, sql):
    cold, warm, answer = [], [], {}
    for _ in range(given.cold_runs):
        database = ClickHouse(folder)
        for run, (first, last) in enumerate(windows(given)):
            took, (columns, row) = timed(lambda: database.row(sql(given.brand, first, last)))
            (warm if run else cold).append(took)
            if not run:
                answer = metrics(columns, row)
        database.close()
    return {"cold_ms": cold, "warm_ms": warm, "metrics": answer}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=pathlib.Path, required=True)
    arguments.add_argument("--scratch", type=pathlib.Path, required=True)
    arguments.add_argument("--brand", required=True)
    arguments.add_argument("--first", type=int, required=True, help="first day, counted from 1970-01-01")
    arguments.add_argument("--last", type=int, required=True)
    arguments.add_argument("--cold-runs", type=int, required=True)
    arguments.add_argument("--warm-runs", type=int, required=True)
    given = arguments.parse_args()
    answer = {"duckdb": duck(given)}
    database = ClickHouse(given.scratch)
    took, _ = timed(lambda: fill(database, given))
    print(f"clickhouse filled in {took / 1000:.1f} s", file=sys.stderr)
    took, _ = timed(lambda: fill_bitmaps(database))
    print(f"clickhouse bitmaps filled in {took / 1000:.1f} s", file=sys.stderr)
    database.close()
    answer["clickhouse"] = clickhouse(given, given.scratch, raw_sql)
    answer["clickhouse_bitmap"] = clickhouse(given, given.scratch, bitmap_sql)
    for engine, found in answer.items():
        print(f"{engine}: cold {found['cold_ms']} ms, warm {found['warm_ms']} ms", file=sys.stderr)
    shutil.rmtree(given.scratch)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
