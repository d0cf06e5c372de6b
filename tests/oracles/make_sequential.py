#!/usr/bin/env python3
"""Makes sequential.json: streams of windows and the evidence that they hold.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install scipy numpy
    /tmp/oracles/bin/python tests/oracles/make_sequential.py

The rules of src/drift/sequential written again, plainly, on scipy: Dirichlet-
multinomials by scipy.special.gammaln, the greatest likelihood in a set by
scipy.optimize.brentq, its radius checked against scipy.stats.chi2. Nothing is
kept between windows but the windows themselves, where that is possible: the
rows of a start are summed anew each time.
Seeds are fixed: the same versions make the same file.
"""
import json
import math
import pathlib

import numpy as np
import scipy
from scipy import optimize, special, stats

CONCENTRATIONS = [20.0, 200.0, 2000.0, 20000.0]
MARGIN, SUSPICION, FIRST_SIZE = 3.0, 3.0, 168


def level(first):
    return min((first & -first).bit_length() - 1, 6)


def stake(first):
    return 2.0 ** min(level(first) + 1, 6) / 7


def radius(bins):
    """Wilson and Hilferty's half quantile of chi-square at 1 - 1e-4."""
    d = bins - 1
    approximation = d * (1 - 2 / (9 * d) + stats.norm.isf(1e-4) * math.sqrt(2 / (9 * d))) ** 3 / 2
    assert 1 <= approximation / (stats.chi2.isf(1e-4, d) / 2) < 1.08
    return approximation


def alternative(reference, rows):
    """Log of the mean Dirichlet-multinomial likelihood."""
    base = (reference + 0.5) / (reference + 0.5).sum()
    logs = []
    for c in CONCENTRATIONS:
        if c <= 8 * rows.sum():
            a = c * base
            logs.append(special.gammaln(a + rows).sum() - special.gammaln(a).sum()
                        + special.gammaln(c) - special.gammaln(c + rows.sum()))
    return special.logsumexp(logs) - math.log(len(CONCENTRATIONS)) if logs else -math.inf


def greatest(sample, rows):
    """Log of the greatest likelihood of rows under p with m KL(h, p) <= radius."""
    m, n, c = sample.sum(), rows.sum(), radius(len(sample))
    h = sample / m
    member = lambda log_l: (rows + math.exp(log_l) * sample) / (n + math.exp(log_l) * m)

    def excess(log_l):
        with np.errstate(divide="ignore"):
            return m * special.rel_entr(h, member(log_l)).sum() - c

    with np.errstate(divide="ignore"):
        inside = m * special.rel_entr(h, rows / n).sum() <= c
    p = rows / n if inside else member(optimize.brentq(excess, -60, 60, xtol=1e-13))
    return special.xlogy(rows, p).sum()


def start_evidence(reference, sets, rows):
    silent = lambda s: sum(0 if x == e else (math.inf if e == 0 else (x - e) ** 2 / e)
                           for x, e in zip(rows, s / s.sum() * rows.sum())) <= 2 * (len(rows) - 1)
    loud = [s for s in sets if not silent(s)]
    if not loud:
        return 0.0
    q = alternative(reference, rows)
    return max([0.0] + [q - greatest(s, rows) for s in loud])


def evidence(reference, windows, deff, bar):
    """The log evidence after each window."""
    reference = np.array(reference) / deff
    windows = [np.array(w) / deff for w in windows]
    given_up, forgotten, baseline, since, out = {}, 0, None, 0, []
    for t in range(1, len(windows) + 1):
        sets = [reference] + ([reference + baseline] if baseline is not None else [])
        firsts = [f for f in range(forgotten + 1, t + 1) if t - f + 1 <= 4 * 2 ** level(f)]
        net, gross = {}, {}
        for f in firsts:
            g = start_evidence(reference, sets, sum(windows[f - 1:t]))
            over = g + math.log(stake(f)) - bar - MARGIN
            given_up[f] = max(given_up.get(f, 0.0), over)
            net[f] = max(g - given_up[f], 0.0)
            gross[f] = net[f] + given_up[f]
        best = max(reversed(firsts), key=lambda f: gross[f])
        if given_up[best] > 0:
            forgotten = best - 1
        logs = [net[f] + math.log(stake(f)) for f in firsts if f > forgotten and net[f] > 0]
        total = max(special.logsumexp(logs), 0.0) if logs else 0.0
        out.append(float(total))
        if total >= bar - SUSPICION:
            since = t
        elif t - since == FIRST_SIZE and baseline is None:
            baseline = sum(windows[since:t])
    return out


def stream(name, rng, reference, phases, n, deff, bar):
    windows = [rng.multinomial(n, p).tolist() for p, count in phases for _ in range(count)]
    return {"name": name, "reference": reference, "windows": windows, "deff": deff, "log_bar": bar,
            "log_evidence": evidence(reference, windows, deff, bar)}


def main():
    rng = np.random.default_rng(20240607)
    bar = math.log(20 * 720)
    flat = [0.1] * 10
    edges = stats.norm.ppf(np.linspace(0, 1, 11))
    moved = np.diff(stats.norm.cdf(edges - 0.35)).tolist()
    named = [0.5, 0.3, 0.15, 0.04, 0.008, 0.002, 0.0]
    doubled = [0.49, 0.3, 0.15, 0.04, 0.008, 0.008, 0.004]
    five = [0.2] * 5
    leaning = [0.17, 0.19, 0.2, 0.21, 0.23]
    streams = [
        stream("deciles that move and return", rng, [1000] * 10, [(flat, 20), (moved, 30), (flat, 12)], 400, 1.0, bar),
        stream("categories with a design effect", rng, [5003, 2989, 1490, 415, 83, 20, 0],
               [(named, 10), (doubled, 25)], 1000, 1.7, bar),
        stream("a small reference and its history", rng, [200] * 5, [(five, 190), (leaning, 20)], 300, 1.0, 6.0),
        stream("two bins", rng, [700, 300], [([0.7, 0.3], 40), ([0.8, 0.2], 30)], 50, 1.0, bar),
    ]
    text = json.dumps({"versions": {"numpy": np.__version__, "scipy": scipy.__version__}, "streams": streams})
    pathlib.Path(__file__).with_name("sequential.json").write_text(text + "\n")
    for s in streams:
        print(s["name"], [round(x, 2) for x in s["log_evidence"][-40:]])


if __name__ == "__main__":
    main()
