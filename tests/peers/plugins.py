"""The model koc-affinity as a guest of Extism, on the same rows in the same batches.

Answers {"seconds": [...]} of all runs but a first one on standard output, and writes the powers to a file. Batches are
bytes before the clock starts; the guest is compiled, and keeps its one instance.
"""

import argparse
import json
import pathlib
import sys
import time

import extism
import numpy


def batches(given):
    """Bytes of each batch: the parameters, then column after column."""
    parameters = numpy.array(json.loads(given.parameters), dtype="<f8").tobytes()
    columns = numpy.fromfile(given.file, dtype="<f8").reshape(given.columns, -1)
    firsts = range(0, columns.shape[1], given.batch)
    return [parameters + columns[:, first : first + given.batch].tobytes() for first in firsts]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--guest", type=pathlib.Path, required=True)
    arguments.add_argument("--file", type=pathlib.Path, required=True, help="columns as little-endian f64")
    arguments.add_argument("--answers", type=pathlib.Path, required=True, help="where the powers go, in the same form")
    arguments.add_argument("--parameters", required=True, help="in the model's order, as a JSON array")
    arguments.add_argument("--columns", type=int, required=True)
    arguments.add_argument("--batch", type=int, required=True, help="rows of a batch")
    arguments.add_argument("--runs", type=int, required=True)
    given = arguments.parse_args()
    asked = batches(given)
    seconds, answers = [], []
    with extism.Plugin(given.guest.read_bytes()) as plugin:
        for run in range(given.runs + 1):
            started = time.perf_counter()
            answers = [plugin.call("score", batch) for batch in asked]
            took = time.perf_counter() - started
            if run:
                seconds.append(took)
    powers = [numpy.frombuffer(answer, dtype="<f8").reshape(3, -1) for answer in answers]
    numpy.concatenate(powers, axis=1).tofile(given.answers)
    print(f"extism {extism.extism_version()}: {seconds} s", file=sys.stderr)
    json.dump({"seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    main()
