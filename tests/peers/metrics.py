"""The metric groups in plain SQL on DuckDB: the same numbers, without intervals, on the same Parquet files.

Answers {group: {"cold_ms": [...], "warm_ms": [...], "metrics": {id: {"value", "numerator", "denominator"}}}} on
standard output. Cold is the first run on a new connection, warm any later one; both use two threads.
"""

import argparse
import json
import pathlib
import sys
import time

import duckdb

import groups


def measure(group, views, parameters, cold_runs, warm_runs):
    query = groups.SQL[group]
    cold, warm = [], []
    for _ in range(cold_runs):
        with duckdb.connect(config={"threads": 2}) as database:
            for view in views:
                database.execute(view)
            for run in range(warm_runs + 1):
                started = time.perf_counter()
                answer = database.execute(query, {name: parameters[name] for name in groups.names(query)})
                row = answer.fetchone()
                took = (time.perf_counter() - started) * 1000
                (warm if run else cold).append(took)
                columns = [column[0] for column in answer.description]
    print(f"duckdb {group}: cold {cold} ms, warm {sorted(warm)[len(warm) // 2]:.1f} ms", file=sys.stderr)
    return {"cold_ms": cold, "warm_ms": warm, "metrics": metrics(columns, row)}


def metrics(columns, row):
    """Columns `id`, or `id/n` and `id/d` for numerator and denominator, as metrics."""
    answer = {}
    for column, value in zip(columns, row):
        name, _, side = column.partition("/")
        metric = answer.setdefault(name, {"value": None, "numerator": None, "denominator": None})
        metric[{"": "value", "n": "numerator", "d": "denominator"}[side]] = None if value is None else float(value)
    for metric in answer.values():
        if metric["denominator"]:
            metric["value"] = metric["numerator"] / metric["denominator"]
    return answer


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=pathlib.Path, required=True)
    arguments.add_argument("--brand", required=True)
    arguments.add_argument("--first", type=int, required=True, help="first day, counted from 1970-01-01")
    arguments.add_argument("--last", type=int, required=True)
    arguments.add_argument("--cold-runs", type=int, required=True)
    arguments.add_argument("--warm-runs", type=int, required=True)
    given = arguments.parse_args()
    parameters = {"brand": given.brand, "s": given.first, "e": given.last}
    views = list(groups.views(given.folder))
    answer = {
        group: measure(group, views, parameters, given.cold_runs, given.warm_runs) for group in groups.SQL
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
