"""BG/NBD by SciPy: maximum likelihood over the same customers, merged where they are equal.

Answers {"seconds": [...], "log_likelihood": number} on standard output.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy
from scipy.optimize import minimize
from scipy.special import betaln, gammaln


def fit(customers):
    rows, counts = numpy.unique(customers, axis=0, return_counts=True)
    x, recency, age = rows.T
    again = x > 0

    def loss(logs):
        r, alpha, a, b = numpy.exp(logs)
        stays = -(r + x) * numpy.log(alpha + age)
        leaves = numpy.where(
            again,
            numpy.log(a) - numpy.log(numpy.where(again, b + x - 1, 1.0)) - (r + x) * numpy.log(alpha + recency),
            -numpy.inf,
        )
        each = (
            gammaln(r + x) - gammaln(r) + r * numpy.log(alpha) + betaln(a, b + x) - betaln(a, b)
            + numpy.logaddexp(stays, leaves)
        )
        return -(counts * each).sum() / counts.sum()

    found = minimize(loss, numpy.zeros(4), method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000})
    return -found.fun * counts.sum()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--file", type=pathlib.Path, required=True, help="repeats, recency, age as little-endian f64")
    arguments.add_argument("--runs", type=int, required=True)
    given = arguments.parse_args()
    customers = numpy.fromfile(given.file, dtype="<f8").reshape(-1, 3)
    seconds = []
    for _ in range(given.runs):
        started = time.perf_counter()
        log_likelihood = fit(customers)
        seconds.append(time.perf_counter() - started)
    print(f"scipy: {seconds} s, log-likelihood {log_likelihood}", file=sys.stderr)
    json.dump({"seconds": seconds, "log_likelihood": log_likelihood}, sys.stdout)


if __name__ == "__main__":
    main()
