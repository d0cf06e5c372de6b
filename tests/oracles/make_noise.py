#!/usr/bin/env python3
"""Makes noise.json: what numpy and scipy say of scores under equal distributions.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install scipy numpy
    /tmp/oracles/bin/python tests/oracles/make_noise.py

Where each number comes from:
  one_sample_ks   scipy.stats.kstwo: the 0.999 quantile of the statistic of n values
                  against a known continuous distribution
  two_bins        scipy.stats.binom: the smallest c so that |B/n - 1/2| > c has a
                  probability of at most 0.001, against a known half
  yurdakul        the 95 % points of the population stability index with ten bins
                  against a reference without error, as published (Yurdakul, 2018,
                  table 3.2), beside scipy's chi2.ppf(0.95, 9) / n
  categories,     plain simulation in numpy: shares from the Dirichlet distribution given
  values          the reference's counts (half a count more a category; of values none),
                  counts of the window from the multinomial, the scores by the formulas
                  of docs/scores.md. A 0.999 quantile of D draws has a relative error in
                  its probability of sqrt(1000 / D).
Seeds are fixed: the same versions make the same file.
"""
import json
import pathlib

import numpy as np
import scipy
from scipy import stats

POINT = 0.999


def psi(p, q, m, n):
    low_p = np.where(p == 0, np.minimum(1 / m, q), p)
    low_q = np.where(q == 0, np.minimum(1 / n, p), q)
    terms = (low_p - low_q) * np.log(np.where(low_p > 0, low_p, 1) / np.where(low_q > 0, low_q, 1))
    return np.where((p == 0) & (q == 0), 0, terms).sum(axis=1)


def jensen_shannon(p, q):
    c = (p + q) / 2

    def part(x):
        return np.where(x > 0, x * np.log2(np.where(x > 0, x, 1) / np.where(c > 0, c, 1)), 0).sum(axis=1)

    return np.sqrt(np.maximum((part(p) + part(q)) / 2, 0))


def cut_scores(p, q, m, n):
    # Chi-square without what the reference has nothing of.
    known, seen = p[:, p[0] > 0], q[:, p[0] > 0]
    values = n * seen.sum(axis=1, keepdims=True)
    seen = seen * n / values
    both = known * m + seen * values
    square = (known - seen) ** 2 * m * values / both
    return {
        "psi": psi(p, q, m, n),
        "jensen_shannon": jensen_shannon(p, q),
        "hellinger": np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=1) / 2),
        "total_variation": np.abs(p - q).sum(axis=1) / 2,
        "l_infinity": np.abs(p - q).max(axis=1),
        "chi_square": square.sum(axis=1),
    }


def summary(scores):
    """Quantile and mean (of distances the root of the mean square) of each score."""
    mean = {k: v.mean() if k in ("psi", "chi_square") else np.sqrt((v**2).mean()) for k, v in scores.items()}
    points = {k: np.quantile(v, POINT, method="inverted_cdf") for k, v in scores.items()}
    return {"points": {k: float(v) for k, v in points.items()}, "typical": {k: float(v) for k, v in mean.items()}}


BATCHES = 100


def size_near(n, batch):
    return round(n * 1.5 ** ((batch + 0.5) / BATCHES - 0.5))


def scaled(scores, m, n, size):
    """Scores at one size as they would be at the size n."""
    ratio = (1 / m + 1 / n) / (1 / m + 1 / size)
    power = {"psi": 1.0, "chi_square": 0.0}
    return {k: v * ratio ** power.get(k, 0.5) for k, v in scores.items()}


def simulated(n, draw):
    """The scores of draw(size), a function of the window's size."""
    collected = [draw(size_near(n, batch)) for batch in range(BATCHES)]
    return summary({k: np.concatenate([part[k] for part in collected]) for k in collected[0]})


def categories(name, counts, n, draws, rng):
    a = np.array(counts)
    m = int(a.sum())

    def draw(size):
        shares = rng.dirichlet(a + 0.5, size=draws // BATCHES)
        q = rng.multinomial(size, shares) / size
        return scaled(cut_scores(np.broadcast_to(a / m, q.shape), q, m, size), m, n, size)

    # The last count is that of categories which the reference never saw.
    return {"name": name, "counts": counts[:-1], "window": n, "draws": draws, **simulated(n, draw)}


def values(name, reference, n, draws, rng):
    x = np.sort(reference)
    m = len(x)
    steps = np.diff(x)

    def draw(size):
        shares = rng.dirichlet(np.ones(m), size=draws // BATCHES)
        q = rng.multinomial(size, shares) / size
        difference = np.abs(np.cumsum(q - 1 / m, axis=1))
        # Where the values differ: between equal ones nothing is compared.
        at = np.append(steps > 0, True)
        area = (difference[:, :-1] * steps).sum(axis=1) / x.std(ddof=1)
        return scaled({"ks": difference[:, at].max(axis=1), "wasserstein": area}, m, n, size)

    return {"name": name, "values": x.tolist(), "window": n, "draws": draws, **simulated(n, draw)}


def two_bins(n):
    k = np.arange(n + 1)
    distance, mass = np.abs(k / n - 0.5), stats.binom.pmf(k, n, 0.5)
    return float(min(c for c in distance if mass[distance > c + 1e-12].sum() <= 1 - POINT))


def main():
    rng = np.random.default_rng(20260)
    rare = [2, 3, 5, 5, 6, 8, 150, 200, 250, 300, 400, 600, 1000, 1500, 2500, 3071, 0]
    normal = np.round(rng.normal(size=400), 6)
    skewed = np.round(np.exp(rng.normal(size=300)), 6)
    out = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
        "one_sample_ks": [{"n": n, "point": float(stats.kstwo.ppf(POINT, n))} for n in (50, 200, 1000, 100_000)],
        "two_bins": [{"n": n, "point": two_bins(n)} for n in (100, 1000, 10_000)],
        "yurdakul": [
            {"n": n, "published": published, "limit": float(stats.chi2.ppf(0.95, 9) / n)}
            for n, published in ((100, 0.169), (200, 0.085), (400, 0.042), (1000, 0.017))
        ],
        "categories": [
            categories("ten equal, small", [100] * 10 + [0], 91, 1_000_000, rng),
            categories("ten equal", [100] * 10 + [0], 1038, 1_000_000, rng),
            categories("rare ones", rare, 461, 1_000_000, rng),
            categories("a rare one", [995, 5, 0], 1038, 1_000_000, rng),
        ],
        "values": [
            values("normal", normal, 205, 200_000, rng),
            values("skewed", skewed, 1038, 200_000, rng),
            values("few", np.repeat([0.0, 1.0, 2.0, 4.0], [200, 120, 60, 20]), 205, 200_000, rng),
        ],
    }
    path = pathlib.Path(__file__).with_name("noise.json")
    path.write_text(json.dumps(out, indent=1) + "\n")


main()
