#!/usr/bin/env python3
"""Makes linear.json: what scikit-learn predicts, and the coefficients that it fits.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install scikit-learn==1.9.1 numpy==2.4.6
    /tmp/oracles/bin/python tests/oracles/make_linear.py

Each model has its file, as a value that is written as JSON and as TOML by the test,
rows with the inputs in the order of `inputs`, and the predictions of these: the
second class's probability of a logistic regression of two classes, of more all of
them. Seeds are fixed: the same versions make the same file.
"""
import json
import pathlib

import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor

NAMES = ["tenure", "age", "amount of the order", "rate"]


def one(coefficients, intercept, name=None):
    out = {} if name is None else {"name": name}
    return {**out, "intercept": float(intercept), "coefficients": dict(zip(NAMES, map(float, coefficients)))}


def main():
    rng = np.random.default_rng(20260)
    x = np.round(rng.normal(size=(400, 4)) * [1, 10, 0.1, 3], 4)
    y = x @ [1, 0.1, -8, 0.3] + rng.normal(size=400)
    two, three = (y > 0).astype(int), np.array(["high", "low", "middle"])[np.digitize(y, [-1, 1])]
    rows = x[:60]
    linear = LinearRegression().fit(x, y)
    targets = LinearRegression().fit(x, np.c_[y, -y + x[:, 0]])
    logistic = LogisticRegression(max_iter=1000).fit(x, two)
    softmax = LogisticRegression(max_iter=1000).fit(x, three)
    poisson = PoissonRegressor(max_iter=1000).fit(x, np.floor(np.exp(np.clip(y, -2, 2))))

    def several(model, names):
        return [one(c, i, n) for c, i, n in zip(model.coef_, model.intercept_, names)]

    models = [
        ("linear", one(linear.coef_, linear.intercept_), linear.predict(rows)),
        ("two targets", {"outputs": several(targets, ["up", "down"])}, targets.predict(rows)),
        ("logistic", {"link": "logistic", **one(logistic.coef_[0], logistic.intercept_[0])}, logistic.predict_proba(rows)[:, 1]),
        ("softmax", {"link": "softmax", "outputs": several(softmax, softmax.classes_)}, softmax.predict_proba(rows)),
        ("poisson", {"link": "log", **one(poisson.coef_, poisson.intercept_)}, poisson.predict(rows)),
    ]
    out = {
        "versions": {"numpy": np.__version__, "sklearn": sklearn.__version__},
        "inputs": NAMES,
        "rows": rows.tolist(),
        "models": [
            {"name": n, "file": f, "predictions": np.asarray(p).reshape(len(rows), -1).tolist()} for n, f, p in models
        ],
    }
    pathlib.Path(__file__).with_name("linear.json").write_text(json.dumps(out) + "\n")


main()
