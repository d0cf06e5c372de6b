#!/usr/bin/env python3
"""Makes shapley.json.gz: what shap, scikit-learn and a plain enumeration say of models.

    python3 -m venv /tmp/shapley && /tmp/shapley/bin/pip install \
        shap==0.51.0 xgboost-cpu==3.2.0 lightgbm==4.7.0 scikit-learn==1.9.1
    /tmp/shapley/bin/python tests/oracles/make_shapley.py

Where each number comes from:
  trees         models of XGBoost and LightGBM, written out split by split, with rows, a
                background, the library's own raw outputs, and
    shap        shap.TreeExplainer(model, background, feature_perturbation="interventional",
                model_output="raw"). It keeps at most 100 background rows without a word and
                can't do categorical splits of LightGBM, so backgrounds are smaller and such
                models have none
    brute       Shapley's formula over all coalitions, asking the library for raw outputs
  functions     closed forms that the test writes again, with shap.explainers.Exact
                (ExactExplainer) and the plain enumeration
  fitted        models of XGBoost fitted to three data sets, with 100 background rows each:
                no values, for the errors of permutations are held against exact ones
  importance    sklearn.inspection.permutation_importance over the closed forms with many
                repeats: mean increase of the loss and the deviation over the repeats
Values that are missing are null. Seeds are fixed: the same versions make the same file.
"""
import gzip
import itertools
import json
import math
import pathlib

import lightgbm
import numpy as np
import shap
import sklearn
import xgboost
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, make_friedman1
from sklearn.inspection import permutation_importance


def brute(ask, row, background):
    """Shapley values of `ask` (rows to outputs of shape (n, outputs)), output by output."""
    d, count = len(row), len(background)
    worth = {}
    for size in range(d + 1):
        for members in itertools.combinations(range(d), size):
            mixed = background.copy()
            mixed[:, list(members)] = row[list(members)]
            worth[frozenset(members)] = ask(mixed).astype(float).mean(axis=0)
    values = []
    for j in range(d):
        total = 0
        for members, value in worth.items():
            if j not in members:
                s = len(members)
                weight = math.factorial(s) * math.factorial(d - s - 1) / math.factorial(d)
                total = total + weight * (worth[members | {j}] - value)
        values.append(total)
    return np.array(values).T


def data(rng, n, d):
    x = rng.normal(size=(n, d)).round(3)
    x[:, 3] = rng.integers(0, 6, size=n)
    x[rng.random((n, d)) < 0.06] = np.nan
    filled = np.nan_to_num(x, nan=0.7)
    y = np.sin(2 * filled[:, 0]) + filled[:, 1] * filled[:, 2] + (filled[:, 3] == 2) * filled[:, 4]
    return x, y + 0.3 * (filled[:, 5] > 0) * filled[:, 0] + rng.normal(scale=0.1, size=n)


def xgboost_trees(booster, classes):
    model = json.loads(booster.save_raw("json"))["learner"]
    base = json.loads(model["learner_model_param"]["base_score"])
    base = base if isinstance(base, list) else [base]
    # Sums of classes begin in raw space; that of a regression is what it is.
    base = (base * classes)[:classes]
    trees = []
    booster_trees = model["gradient_booster"]["model"]
    for tree, output in zip(booster_trees["trees"], booster_trees["tree_info"]):
        assert not any(tree["split_type"])
        nodes = []
        for i, left in enumerate(tree["left_children"]):
            if left == -1:
                nodes.append({"leaf": [[output, float(np.float32(tree["split_conditions"][i]))]]})
            else:
                nodes.append(
                    {
                        "input": tree["split_indices"][i],
                        "less": float(np.float32(tree["split_conditions"][i])),
                        "single": True,
                        "missing": "left" if tree["default_left"][i] else "right",
                        "children": [left, tree["right_children"][i]],
                    }
                )
        trees.append(nodes)
    return {"outputs": classes, "base": [float(b) for b in base], "trees": trees}


def lightgbm_trees(booster):
    def add(node, nodes):
        place = len(nodes)
        nodes.append(None)
        if "leaf_value" in node:
            nodes[place] = {"leaf": [[0, node["leaf_value"]]]}
            return place
        split = {"input": node["split_feature"]}
        kind = node["missing_type"]
        if node["decision_type"] == "==":
            split["members"] = [int(member) for member in node["threshold"].split("||")]
            split["missing"] = "right"
        else:
            split["at_most"] = node["threshold"]
            split["missing"] = 0.0 if kind == "None" else "left" if node["default_left"] else "right"
            split["zero_is_missing"] = kind == "Zero"
        split["children"] = [add(node["left_child"], nodes), add(node["right_child"], nodes)]
        nodes[place] = split
        return place

    trees = []
    for tree in booster.dump_model()["tree_info"]:
        nodes = []
        add(tree["tree_structure"], nodes)
        trees.append(nodes)
    return {"outputs": 1, "base": [0.0], "trees": trees}


def plain(array):
    return [[None if np.isnan(v) else float(v) for v in row] for row in np.asarray(array, dtype=float)]


def tree_case(name, trees, ask, explainer, rows, background):
    trees["inputs"] = rows.shape[1]
    outputs = trees["outputs"]
    shaps = None
    if explainer is not None:
        values = np.asarray(explainer.shap_values(rows, check_additivity=False))
        values = values[:, :, None] if values.ndim == 2 else values
        # (rows, inputs, outputs) to output by output.
        shaps = values.transpose(0, 2, 1).reshape(len(rows), -1).tolist()
    return {
        "name": name,
        "model": trees,
        "rows": plain(rows),
        "background": plain(background),
        "outputs": ask(rows).reshape(len(rows), outputs).astype(float).tolist(),
        "shap": shaps,
        "brute": [brute(ask, row, background).ravel().tolist() for row in rows],
    }


def tree_cases():
    rng = np.random.default_rng(20261126)
    x, y = data(rng, 1500, 7)
    rows, background = x[:8], x[100:125]
    cases = []

    settings = {"max_depth": 5, "eta": 0.2, "nthread": 1, "seed": 1, "base_score": 0.5}
    booster = xgboost.train(settings, xgboost.DMatrix(x, label=y), num_boost_round=30)

    def margin(z, booster=booster):
        return booster.predict(xgboost.DMatrix(z), output_margin=True).reshape(len(z), -1)

    def shap_of(model):
        return shap.TreeExplainer(
            model, background, feature_perturbation="interventional", model_output="raw"
        )

    cases.append(
        tree_case("xgboost", xgboost_trees(booster, 1), margin, shap_of(booster), rows, background)
    )

    classes = np.digitize(y, [-0.5, 0.8])
    settings = {"max_depth": 3, "eta": 0.3, "nthread": 1, "seed": 2, "objective": "multi:softprob"}
    many = xgboost.train(settings | {"num_class": 3, "base_score": 0.5}, xgboost.DMatrix(x, label=classes), 8)
    cases.append(
        tree_case(
            "xgboost of three classes",
            xgboost_trees(many, 3),
            lambda z: margin(z, many),
            shap_of(many),
            rows[:4],
            background,
        )
    )

    settings = {"num_leaves": 15, "verbose": -1, "num_threads": 1, "seed": 3, "deterministic": True}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), 25)

    def raw(z, booster=booster):
        return booster.predict(z, raw_score=True, num_threads=1).reshape(len(z), 1)

    cases.append(
        tree_case("lightgbm", lightgbm_trees(booster), raw, shap_of(booster), rows, background)
    )

    settings |= {"min_data_per_group": 5, "cat_smooth": 1.0, "max_cat_to_onehot": 2}
    whole = x.copy()
    whole[:, 3] = np.nan_to_num(whole[:, 3], nan=-1)
    named = lightgbm.train(settings, lightgbm.Dataset(whole, y, categorical_feature=[3]), 25)
    kinds = {node["decision_type"] for node in splits(named)}
    assert kinds == {"==", "<="}, kinds
    cases.append(
        tree_case(
            "lightgbm with categories",
            lightgbm_trees(named),
            lambda z: raw(z, named),
            None,
            rows,
            background,
        )
    )

    # Zeros that are missing.
    zeros = np.where(rng.random(x.shape) < 0.15, 0.0, x)
    zeroed = lightgbm.train(settings | {"zero_as_missing": True}, lightgbm.Dataset(zeros, y), 20)
    cases.append(
        tree_case(
            "lightgbm with missing zeros",
            lightgbm_trees(zeroed),
            lambda z: raw(z, zeroed),
            None,
            zeros[:8],
            zeros[100:125],
        )
    )
    return cases


def splits(booster):
    open_nodes = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while open_nodes:
        node = open_nodes.pop()
        if "split_feature" in node:
            yield node
            open_nodes += [node["left_child"], node["right_child"]]


def third_order(x):
    return np.sin(x[:, 0]) * x[:, 1] + x[:, 2] * x[:, 3] * x[:, 4] + np.exp(-x[:, 5] ** 2) - x[:, 6]


def logistic(x):
    return 1 / (1 + np.exp(-(x[:, 0] + 2 * x[:, 1] * x[:, 2] - np.abs(x[:, 3]))))


def functions():
    rng = np.random.default_rng(7)
    cases = []
    for name, function, d in [("third_order", third_order, 7), ("logistic", logistic, 5)]:
        background, rows = rng.normal(size=(12, d)).round(4), rng.normal(size=(5, d)).round(4)
        # A value in common with some of the background, and with all of it.
        rows[0, 1] = background[3, 1]
        background[:, d - 1] = rows[1, d - 1]
        masker = shap.maskers.Independent(background, max_samples=len(background))
        exact = shap.explainers.ExactExplainer(function, masker)(rows, max_evals=2**d)
        enumerated = [brute(lambda z: function(z)[:, None], row, background)[0] for row in rows]
        assert np.abs(exact.values - np.array(enumerated)).max() < 1e-12
        cases.append(
            {
                "name": name,
                "rows": rows.tolist(),
                "background": background.tolist(),
                "exact": exact.values.tolist(),
                "brute": [values.tolist() for values in enumerated],
            }
        )
    return cases


def fitted(trees, depth):
    """XGBoost fitted to three data sets: name, booster, background, rows."""
    friedman, value = make_friedman1(2000, n_features=20, noise=0.5, random_state=1)
    value = value + 8 * friedman[:, 5] * friedman[:, 6] * (friedman[:, 7] > 0.5)
    cancer, ill = load_breast_cancer(return_X_y=True)
    diabetes, progress = load_diabetes(return_X_y=True)
    sets = [
        ("friedman", friedman, value, "reg:squarederror"),
        ("breast cancer", cancer, ill, "binary:logistic"),
        ("diabetes", diabetes, progress, "reg:squarederror"),
    ]
    for name, x, y, objective in sets:
        rng = np.random.default_rng(len(x))
        settings = {"max_depth": depth, "eta": 0.1, "subsample": 0.8, "nthread": 1, "seed": 1}
        settings |= {"objective": objective, "base_score": 0.5}
        booster = xgboost.train(settings, xgboost.DMatrix(x, label=y), trees)
        order = rng.permutation(len(x))
        yield name, booster, x[order[:100]], x[order[100:]]


def fitted_cases():
    return [
        {
            "name": name,
            "model": xgboost_trees(booster, 1) | {"inputs": rows.shape[1]},
            "background": background.tolist(),
            "rows": rows[:5].tolist(),
        }
        for name, booster, background, rows in fitted(40, 4)
    ]


class Form(BaseEstimator):
    """A closed form as an estimator that has nothing to fit."""

    def __init__(self, function=None, classes=False):
        self.function = function
        self.classes = classes
        self._estimator_type = "classifier" if classes else "regressor"

    def fit(self, x, y):
        return self


def importance():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(300, 7)).round(4)
    value = third_order(x) + rng.normal(scale=0.2, size=300)
    label = (rng.random(300) < logistic(x)).astype(float)
    losses = {
        "squared": (third_order, value, lambda p, y: (p - y) ** 2),
        "absolute": (third_order, value, lambda p, y: np.abs(p - y)),
        "log_loss": (logistic, label, lambda p, y: -np.log(np.where(y == 1, p, 1 - p))),
        "zero_one": (logistic, label, lambda p, y: (p > 0.5) != (y == 1)),
    }
    cases = []
    for name, (function, labels, loss) in losses.items():

        def score(estimator, z, y, function=function, loss=loss):
            return -loss(function(z), y).mean()

        found = permutation_importance(
            Form(function), x, labels, scoring=score, n_repeats=2000, random_state=5
        )
        cases.append(
            {
                "loss": name,
                "function": function.__name__,
                "labels": labels.round(6).tolist(),
                "mean_loss": float(loss(function(x), labels.round(6)).mean()),
                "increase": found.importances_mean.tolist(),
                "deviation": found.importances_std.tolist(),
                "repeats": 2000,
            }
        )
    return {"rows": x.tolist(), "cases": cases}


def main():
    out = {
        "made_by": "tests/oracles/make_shapley.py",
        "versions": {
            module.__name__: module.__version__ for module in (shap, xgboost, lightgbm, sklearn, np)
        },
        "trees": tree_cases(),
        "functions": functions(),
        "fitted": fitted_cases(),
        "importance": importance(),
    }
    for case in out["trees"]:
        if case["shap"] is not None:
            gap = np.abs(np.array(case["shap"]) - np.array(case["brute"])).max()
            print(case["name"], "shap and the enumeration differ by", gap)
    path = pathlib.Path(__file__).with_name("shapley.json.gz")
    path.write_bytes(gzip.compress(json.dumps(out, separators=(",", ":")).encode(), mtime=0))
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
