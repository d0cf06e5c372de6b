#!/usr/bin/env python3
"""Makes attribution.json: what scikit-learn and scipy say of attributions.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install scikit-learn scipy numpy
    /tmp/oracles/bin/python tests/oracles/make_attribution.py

Where each number comes from:
  ndcg     sklearn.metrics.ndcg_score, whose gains are linear and which averages over
           ties; `published` is the example of Amazon SageMaker Clarify's documentation
           (three features), worked out by the same function
  columns  scipy.stats.ks_2samp of attributions, and scipy.spatial.distance.jensenshannon
           (base 2) of counts on ten bins with edges midway between the reference's
           values; where a third of the values are zero, zero has a bin of its own
  shares   half the sum of absolute differences of shares, in numpy
Seeds are fixed: the same versions make the same file.
"""
import json
import pathlib

import numpy as np
import scipy
import sklearn
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp
from sklearn.metrics import ndcg_score


def gain(relevance, ranking):
    return {
        "relevance": list(map(float, relevance)),
        "ranking": list(map(float, ranking)),
        "ndcg": float(ndcg_score([relevance], [ranking])),
    }


def counts(values, edges):
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)


def main():
    random = np.random.default_rng(7)
    gains = [gain([0.70, 0.50, 0.05], [0.10, 0.20, 0.70])]
    for features in (2, 5, 30):
        for _ in range(3):
            relevance = random.lognormal(size=features)
            gains.append(gain(relevance, relevance * random.lognormal(0, 0.7, features)))
    # Ties of the ranking, and features that are worth nothing.
    gains.append(gain([3.0, 2.0, 1.0, 0.5, 0.0], [1.0, 1.0, 2.0, 0.0, 0.0]))
    gains.append(gain([1.0, 0.0, 4.0, 0.0], [0.5, 0.5, 0.5, 0.5]))

    columns = []
    for shift, scale, n in ((0, 1, 80), (0.5, 1, 120), (0, 2, 60)):
        reference = np.round(random.normal(size=200), 6)
        window = np.round(random.normal(shift, scale, n), 6)
        ordered = np.sort(reference)
        edges = (ordered[19:-1:20] + ordered[20::20]) / 2
        columns.append((reference, window, edges))
    # A third zeros between 60 negative and 80 positive values, of the window half.
    reference = np.concatenate([-np.abs(random.normal(size=60)) - 0.1, np.zeros(60), np.abs(random.normal(size=80)) + 0.1])
    reference = np.round(reference, 6)
    window = np.round(np.where(random.random(90) < 0.5, 0, random.normal(size=90)), 6)
    ordered = np.sort(reference)
    places = [20, 40, 60, 120, 140, 160, 180]
    edges = np.array([(ordered[place - 1] + ordered[place]) / 2 for place in places])
    columns.append((reference, window, edges))

    told = []
    for reference, window, edges in columns:
        told.append({
            "reference": reference.tolist(),
            "window": window.tolist(),
            "ks": float(ks_2samp(reference, window).statistic),
            "jensen_shannon": float(jensenshannon(counts(reference, edges), counts(window, edges), base=2)),
        })
    shares = []
    for features in (2, 7):
        reference, window = random.lognormal(size=features), random.lognormal(size=features)
        distance = np.abs(reference / reference.sum() - window / window.sum()).sum() / 2
        shares.append({"reference": reference.tolist(), "window": window.tolist(), "total_variation": float(distance)})

    document = json.dumps({
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "sklearn": sklearn.__version__},
        "ndcg": gains,
        "columns": told,
        "shares": shares,
    })
    path = pathlib.Path(__file__).with_name("attribution.json")
    path.write_text(document + "\n")
    print(f"{path}: {len(document)} bytes")


if __name__ == "__main__":
    main()
