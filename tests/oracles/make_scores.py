#!/usr/bin/env python3
"""Makes scores.json: samples, histograms and what other people's code says of them.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install scipy numpy mpmath
    /tmp/oracles/bin/python tests/oracles/make_scores.py

Where each number comes from:
  ks.statistic       fractions of whole numbers, checked against scipy.stats.ks_2samp
  ks.p_value         scipy.stats.ks_2samp(method="exact") for m*n <= 10,000,
                     else scipy.special.kolmogorov(D * sqrt(m*n/(m+n)))
  wasserstein        fractions over a deviation with 50 digits, checked against
                     scipy.stats.wasserstein_distance / numpy.std(reference, ddof=1)
  chi_square         scipy.stats.chi2_contingency(correction=False)
  psi, hellinger, total_variation, l_infinity, jensen_shannon
                     the formulas of docs/scores.md by mpmath with 50 digits;
                     jensen_shannon checked against scipy.spatial.distance.jensenshannon
Seeds are fixed: the same versions make the same file.
"""
import json
import pathlib
from fractions import Fraction

import mpmath
import numpy as np
import scipy
from scipy import special, stats
from scipy.spatial import distance

EXACT_CELLS = 10_000
mpmath.mp.dps = 50


def exact_share(count, total):
    return mpmath.mpf(int(count)) / int(total)


def psi_term(p, q, m, n):
    """One bin; a zero is one event's share, but never more than the other side's."""
    if p == 0 and q == 0:
        return mpmath.mpf(0)
    if p == 0:
        p = min(mpmath.mpf(1) / m, q)
    if q == 0:
        q = min(mpmath.mpf(1) / n, p)
    return (p - q) * mpmath.log(p / q)


def x_log2(x, y):
    return mpmath.mpf(0) if x == 0 else x * mpmath.log(x / y, 2)


def histogram_scores(reference, window):
    """Scores of two lists of counts on the same bins; None when one is empty."""
    m, n = int(sum(reference)), int(sum(window))
    if m == 0 or n == 0:
        return None
    shares = [(exact_share(a, m), exact_share(b, n)) for a, b in zip(reference, window)]
    divergence = sum(x_log2(p, (p + q) / 2) + x_log2(q, (p + q) / 2) for p, q in shares) / 2
    jensen_shannon = float(mpmath.sqrt(divergence)) if divergence > mpmath.mpf(10) ** -40 else 0.0
    by_scipy = distance.jensenshannon(np.array(reference, float), np.array(window, float), base=2)
    if not np.isnan(by_scipy):
        assert abs(by_scipy - jensen_shannon) < 1e-7, (by_scipy, jensen_shannon)
    return {
        "psi": float(sum(psi_term(p, q, m, n) for p, q in shares)),
        "jensen_shannon": jensen_shannon,
        "hellinger": float(mpmath.sqrt(sum((mpmath.sqrt(p) - mpmath.sqrt(q)) ** 2 for p, q in shares) / 2)),
        "total_variation": float(sum(abs(p - q) for p, q in shares) / 2),
        "l_infinity": float(max(abs(p - q) for p, q in shares)),
        "chi_square": chi_square(reference, window),
    }


def chi_square(reference, window):
    table = np.array([reference, window], dtype=float)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return None
    found = stats.chi2_contingency(table, correction=False)
    return {"statistic": float(found.statistic), "degrees_of_freedom": int(found.dof), "p_value": float(found.pvalue)}


def numeric_scores(reference, window):
    """Scores of two samples, with the same bin for equal values only."""
    if len(reference) == 0 or len(window) == 0:
        return None
    m, n = len(reference), len(window)
    points = np.unique(np.concatenate([reference, window]))
    below_reference = np.searchsorted(np.sort(reference), points, side="right")
    below_window = np.searchsorted(np.sort(window), points, side="right")
    statistic = max(abs(Fraction(int(a), m) - Fraction(int(b), n)) for a, b in zip(below_reference, below_window))
    exact = stats.ks_2samp(reference, window, method="exact" if m * n <= EXACT_CELLS else "asymp")
    assert abs(float(statistic) - exact.statistic) < 1e-14
    limit = special.kolmogorov(float(statistic) * np.sqrt(m * n / (m + n)))
    transport = wasserstein(points, below_reference, below_window, m, n)
    deviation = sample_deviation(reference)
    standardised = float(transport / deviation) if deviation > 0 else None
    if deviation > 1e-150:
        by_scipy = stats.wasserstein_distance(reference, window) / np.std(reference, ddof=1)
        assert np.isclose(standardised, by_scipy, rtol=1e-9, atol=0), (standardised, by_scipy)
    return {
        "ks": {"statistic": float(statistic), "p_value": float(exact.pvalue if m * n <= EXACT_CELLS else limit)},
        "wasserstein": standardised,
    }


def wasserstein(points, below_reference, below_window, m, n):
    """The area between the two distribution functions, in fractions."""
    area = Fraction(0)
    for index in range(len(points) - 1):
        gap = Fraction(float(points[index + 1])) - Fraction(float(points[index]))
        area += gap * abs(Fraction(int(below_reference[index]), m) - Fraction(int(below_window[index]), n))
    return mpmath.mpf(area.numerator) / area.denominator


def sample_deviation(values):
    """With divisor n - 1, by 50 digits; numpy's squares of tiny numbers are 0."""
    if len(values) < 2:
        return mpmath.mpf(0)
    exact = [mpmath.mpf(float(value)) for value in values]
    mean = sum(exact) / len(exact)
    return mpmath.sqrt(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1))


def cut(reference, window, bins=10):
    """Counts on the reference's deciles, open at both ends, ties in one bin."""
    if len(reference) == 0:
        return [0, 0], [0, len(window)]
    edges = np.unique(np.quantile(reference, np.arange(1, bins) / bins, method="inverted_cdf"))
    of = lambda values: np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return of(reference).tolist(), of(np.asarray(window, float)).tolist()


def numeric_samples():
    rng = np.random.default_rng(20_240_601)
    round_to = lambda values, digits: np.round(values, digits)
    return {
        "smooth": (rng.normal(0, 1, 300), rng.normal(0.2, 1.1, 200)),
        "smooth, same law": (rng.normal(0, 1, 400), rng.normal(0, 1, 400)),
        "smooth, exact p-value": (rng.normal(0, 1, 100), rng.normal(0.3, 1, 100)),
        "smooth, coprime sizes": (rng.normal(0, 1, 101), rng.normal(0.5, 1, 97)),
        "smooth, few against many": (rng.normal(0, 1, 900), rng.normal(1, 1, 11)),
        "far apart, exact p-value": (rng.normal(0, 1, 90), rng.normal(8, 1, 80)),
        "far apart": (rng.normal(0, 1, 300), rng.normal(8, 1, 300)),
        "tied": (round_to(rng.normal(0, 1, 250), 1), round_to(rng.normal(0.1, 1, 250), 1)),
        "integer": (rng.poisson(4, 300).astype(float), rng.poisson(5, 150).astype(float)),
        "integer, exact p-value": (rng.poisson(4, 60).astype(float), rng.poisson(6, 50).astype(float)),
        "two values": (rng.binomial(1, 0.3, 200).astype(float), rng.binomial(1, 0.4, 120).astype(float)),
        "zeros and a tail": (
            np.where(rng.random(300) < 0.7, 0.0, rng.lognormal(3, 1, 300)),
            np.where(rng.random(180) < 0.5, 0.0, rng.lognormal(3, 1, 180)),
        ),
        "heavy-tailed": (rng.standard_cauchy(250), 1.5 * rng.standard_cauchy(220)),
        "large offset": (1e9 + round_to(rng.normal(0, 50, 200), 0), 1e9 + round_to(rng.normal(9, 50, 150), 0)),
        "tiny numbers": (rng.normal(0, 1e-300, 60), rng.normal(5e-301, 1e-300, 40)),
        "constant": (np.full(40, 3.5), np.full(30, 3.5)),
        "constant, moved": (np.full(40, 3.5), np.full(30, 4.5)),
        "constant reference": (np.full(60, 7.0), rng.normal(7, 1, 50)),
        "constant window": (rng.normal(7, 1, 50), np.full(60, 7.0)),
        "one outlier": (rng.normal(0, 1, 200), np.append(rng.normal(0, 1, 199), 1e12)),
        "the same": (np.arange(50.0), np.arange(50.0)),
        "the same shares": (np.arange(30.0), np.repeat(np.arange(30.0), 3)),
        "1 row against 1": (np.array([1.0]), np.array([2.0])),
        "1 row": (rng.normal(0, 1, 100), np.array([0.4])),
        "2 rows": (rng.normal(0, 1, 100), np.array([0.4, 2.5])),
        "5 rows": (rng.normal(0, 1, 100), rng.normal(0, 1, 5)),
        "empty window": (rng.normal(0, 1, 20), np.array([])),
        "empty reference": (np.array([]), rng.normal(0, 1, 20)),
        "both empty": (np.array([]), np.array([])),
    }


def categorical_counts():
    rng = np.random.default_rng(20_240_602)
    zipf = lambda bins, power: (lambda w: w / w.sum())(1.0 / np.arange(1, bins + 1) ** power)
    cases = {
        "two categories": ([700, 300], [60, 40]),
        "three categories": ([5000, 3000, 2000], [480, 330, 190]),
        "hardly different": ([1_000_000, 2_000_000, 3_000_000], [1_000_001, 2_000_000, 2_999_999]),
        "the same": ([12, 0, 7, 81], [12, 0, 7, 81]),
        "the same shares": ([10, 20, 30], [1, 2, 3]),
        "nothing in common": ([10, 20, 0, 0], [0, 0, 30, 40]),
        "one empty decile": ([100] * 10, [12, 11, 11, 11, 11, 11, 11, 11, 11, 0]),
        "new category": ([9000, 1000, 0], [850, 100, 50]),
        "new category, one row": ([9000, 1000, 0], [900, 99, 1]),
        "rare event doubles": ([99_800, 200], [99_600, 400]),
        "one category": ([500], [40]),
        "one category, moved": ([500, 0], [0, 40]),
        "1 row": ([3, 4, 5], [0, 1, 0]),
        "2 rows": ([3, 4, 5], [1, 0, 1]),
        "5 rows": ([30, 40, 50, 0], [2, 0, 2, 1]),
        "1 row against 1": ([1, 0], [0, 1]),
        "empty window": ([3, 4, 5], [0, 0, 0]),
        "empty reference": ([0, 0], [3, 4]),
        "both empty": ([0, 0], [0, 0]),
        "billions": ([4_000_000_000, 1_000_000_000, 7], [3_999_000_000, 1_001_000_000, 9]),
    }
    for bins, m, n, power in [(10, 10_000, 1_000, 1.05), (40, 20_000, 9_000, 1.1), (400, 50_000, 40_000, 1.0),
                              (400, 50_000, 40_000, 1.02), (120, 3_000, 500, 1.0), (25, 100_000, 80_000, 1.01)]:
        reference = rng.multinomial(m, zipf(bins, 1.0)).tolist()
        window = rng.multinomial(n, zipf(bins, power)).tolist()
        cases[f"{bins} categories, {m} against {n}, power {power}"] = (reference, window)
    return cases


def main():
    numeric = []
    for name, (reference, window) in numeric_samples().items():
        reference_counts, window_counts = cut(reference, window)
        numeric.append({
            "name": name,
            "reference": [float(value) for value in reference],
            "window": [float(value) for value in window],
            "expected": numeric_scores(reference, window),
            "cut": {
                "reference": reference_counts,
                "window": window_counts,
                "expected": histogram_scores(reference_counts, window_counts),
            },
        })
    categorical = [
        {"name": name, "reference": reference, "window": window, "expected": histogram_scores(reference, window)}
        for name, (reference, window) in categorical_counts().items()
    ]
    versions = {"scipy": scipy.__version__, "numpy": np.__version__, "mpmath": mpmath.__version__}
    # One case a line, for diffs that can be read.
    lines = lambda cases: "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]"
    document = (
        f'{{"made_by": "tests/oracles/make_scores.py", "versions": {json.dumps(versions)},\n'
        f'"numeric": {lines(numeric)},\n"categorical": {lines(categorical)}}}\n'
    )
    path = pathlib.Path(__file__).with_name("scores.json")
    path.write_text(document)
    print(f"{path}: {len(numeric)} numeric and {len(categorical)} categorical cases")


if __name__ == "__main__":
    main()
