#!/usr/bin/env python3
"""Makes checks.json: what scipy says of the ranges in which counts of equal rates stay.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install scipy numpy statsmodels
    /tmp/oracles/bin/python tests/oracles/make_checks.py

Where each number comes from:
  shares        the smallest and largest b of n that scipy.stats.hypergeom, conditional on a + b,
                does not reject at one in two thousand on its side; ends checked against
                scipy.stats.fisher_exact (alternative "greater" and "less"). With "score": the same by
                the signed root of statsmodels' test_proportions_2indep(method="score", correction=False)
  volume        the wider end each of a prediction interval of log(count + 1/2) with scipy.stats.t, and of
                the range that scipy.stats.binom does not reject, conditional on the total; the latter alone
                below ten events a window when scipy.stats.chi2 finds no dispersion at 5 %
  occupancy     the mean and the standard deviation of the number of occupied cells, by numpy's
                dirichlet and multinomial
Seeds are fixed: the same versions make the same file.
"""
import json
import pathlib

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.proportion import test_proportions_2indep as proportions

TAIL = 0.0005


def first(rejects, low, high):
    """The smallest whole number in low..=high that is rejected; rejection is monotone."""
    if not rejects(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if rejects(middle) else (middle + 1, high)
    return low


def exact_range(a, m, n):
    upper = lambda b: stats.hypergeom.sf(b - 1, m + n, a + b, n) <= TAIL
    lower = lambda b: stats.hypergeom.cdf(b, m + n, a + b, n) <= TAIL
    too_many = first(upper, 0, n)
    accepted = first(lambda b: not lower(b), 0, n)
    if too_many is not None and n + m < 100_000:
        for b in (too_many - 1, too_many):
            by_fisher = stats.fisher_exact([[b, n - b], [a, m - a]], alternative="greater").pvalue
            assert (by_fisher <= TAIL) == (b == too_many), (a, m, n, b, by_fisher)
    if accepted and n + m < 100_000:
        for b in (accepted - 1, accepted):
            by_fisher = stats.fisher_exact([[b, n - b], [a, m - a]], alternative="less").pvalue
            assert (by_fisher <= TAIL) == (b == accepted - 1), (a, m, n, b, by_fisher)
    return {"low": accepted or None, "high": None if too_many is None else too_many - 1}


def score_range(a, m, n):
    z = stats.norm.isf(TAIL)
    signed = lambda b: proportions(b, n, a, m, method="score", correction=False).statistic
    expected = round(a / m * n)
    too_many = first(lambda b: signed(b) >= z, expected, n)
    accepted = first(lambda b: signed(b) > -z, 0, expected)
    return {"low": accepted or None, "high": None if too_many is None else too_many - 1}


def shares():
    exact = [
        (0, 1_000, 1_000), (0, 100_000, 1_000), (0, 1_000, 100_000), (0, 50, 50), (0, 10, 10_000), (1, 1_000, 100),
        (1, 10, 10), (3, 300, 200), (20, 10_000, 1_000), (20, 10_000, 10_000), (200, 100_000, 100_000),
        (200, 100_000, 5_000), (5, 100_000, 10_000), (50, 100, 80), (100, 100, 100), (999, 1_000, 500),
        (990, 1_000, 5_000), (300, 1_000, 700), (2_000, 100_000, 3_000), (17, 17, 1_000), (1_500, 5_000, 5_000),
        (12, 1_000_000, 2_000_000), (400, 100_000, 300), (7, 9_999, 77_777),
    ]
    score = [(50_000, 100_000, 100_000), (300_000, 1_000_000, 100_000), (20_000, 1_000_000, 1_000_000),
             (900_000, 1_000_000, 200_000), (123_456, 654_321, 77_777)]
    made = [{"a": a, "m": m, "n": n, "test": "exact", **exact_range(a, m, n)} for a, m, n in exact]
    return made + [{"a": a, "m": m, "n": n, "test": "score", **score_range(a, m, n)} for a, m, n in score]


def volume_range(counts):
    logs = np.log(np.array(counts) + 0.5)
    k = len(counts)
    reach = stats.t.isf(TAIL, k - 1) * logs.std(ddof=1) * np.sqrt(1 + 1 / k)
    mean, squares = np.mean(counts), np.sum((np.array(counts) - np.mean(counts)) ** 2)
    if mean < 10 and squares <= mean * stats.chi2.isf(0.05, k - 1):
        reach = 0
    low, high = np.exp(logs.mean() - reach) - 0.5, np.exp(logs.mean() + reach) - 0.5
    total, part = sum(counts), 1 / (k + 1)
    most = 10 * (total + 100)
    steady_high = first(lambda b: stats.binom.sf(b - 1, total + b, part) <= TAIL, 0, most) - 1
    steady_low = first(lambda b: stats.binom.cdf(b, total + b, part) > TAIL, 0, most)
    low = min(low, steady_low)
    return {"low": low if low > 0 else None, "high": max(high, steady_high), "typical": np.exp(logs.mean()) - 0.5}


def volumes():
    cases = [[100, 100, 100, 100, 100], [90, 110, 105, 95, 100, 102], [1000, 1500, 900, 1200, 2000, 1100, 1300],
             [5, 0, 2, 1, 3, 2, 0, 4], [10_000] * 12, [50, 60, 3000, 55, 58], [0, 0, 0, 0, 0, 0],
             [123_456, 130_000, 110_000, 125_000, 119_000, 121_000, 140_000, 90_000]]
    return [{"counts": counts, **volume_range(counts)} for counts in cases]


def occupancies():
    rng = np.random.default_rng(20_240_701)
    cases = []
    for reference, n in [([5] * 32, 40), ([98] * 32, 60), ([3] * 11 + [5] * 11 + [7] * 10, 40), ([10] * 20, 200)]:
        occupied = [np.count_nonzero(rng.multinomial(n, rng.dirichlet(reference))) for _ in range(200_000)]
        cases.append({"reference": reference, "n": n, "mean": float(np.mean(occupied)),
                      "standard_deviation": float(np.std(occupied))})
    return cases


def main():
    versions = {"scipy": scipy.__version__, "numpy": np.__version__, "statsmodels": statsmodels.__version__}
    lines = lambda cases: "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]"
    document = (
        f'{{"made_by": "tests/oracles/make_checks.py", "versions": {json.dumps(versions)},\n'
        f'"shares": {lines(shares())},\n"volume": {lines(volumes())},\n"occupancy": {lines(occupancies())}}}\n'
    )
    path = pathlib.Path(__file__).with_name("checks.json")
    path.write_text(document)
    print(path)


if __name__ == "__main__":
    main()
