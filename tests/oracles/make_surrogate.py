#!/usr/bin/env python3
"""Makes surrogate.json: how well scikit-learn's forests predict held-out rows.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install scikit-learn==1.9.1 numpy
    /tmp/oracles/bin/python tests/oracles/make_surrogate.py

Rows are uniform numbers from splitmix64 (Steele, Lea and Flood, 2014), row by row,
so that tests/surrogate.rs makes the same ones. Functions:
  friedman   10 inputs, of which five matter (Friedman, "Multivariate adaptive
             regression splines", 1991)
  linear     8 inputs with the weights 1/1 to 1/8
  missing    5 inputs, each missing in a fifth of the rows; the function knows
             missing from low
Every fifth row is held out. Forests have 30 trees of depth 8, five rows a leaf and
all inputs at each split, as the surrogate has. r2 is the mean over ten
seeds, and spread their standard deviation.
"""
import json
import math
import pathlib

import numpy as np
import sklearn
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score

MASK = (1 << 64) - 1


def uniforms(seed, count):
    state = seed
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        yield (z >> 11) / (1 << 53)


def friedman(x):
    return 10 * math.sin(math.pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4]


def linear(x):
    return sum(value / (place + 1) for place, value in enumerate(x))


def missing(x):
    return sum((2.0 if math.isnan(value) else value) / (place + 1) for place, value in enumerate(x))


def with_missing(x):
    return [math.nan if value < 0.2 else (value - 0.2) / 0.8 for value in x]


def fidelity(function, width, seed, change=lambda x: x, rows=2000):
    numbers = list(uniforms(seed, rows * width))
    x = [change(numbers[i * width : (i + 1) * width]) for i in range(rows)]
    y = np.array([function(row) for row in x])
    x = np.array(x)
    held_out = np.arange(rows) % 5 == 4
    found = []
    for random_state in range(10):
        forest = RandomForestRegressor(
            n_estimators=30,
            max_depth=8,
            min_samples_leaf=5,
            max_features=1.0,
            random_state=random_state,
        )
        forest.fit(x[~held_out], y[~held_out])
        found.append(r2_score(y[held_out], forest.predict(x[held_out])))
    return {
        "width": width,
        "seed": seed,
        "rows": rows,
        "sum": float(y.sum()),
        "r2": float(np.mean(found)),
        "spread": float(np.std(found, ddof=1)),
    }


answer = {
    "versions": {"sklearn": sklearn.__version__, "numpy": np.__version__},
    "friedman": fidelity(friedman, 10, 1),
    "linear": fidelity(linear, 8, 2),
    "missing": fidelity(missing, 5, 3, with_missing),
}
path = pathlib.Path(__file__).with_name("surrogate.json")
path.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
