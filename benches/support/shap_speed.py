#!/usr/bin/env python3
"""Times shap on the models of benches/explanations.rs, and says what it finds.

    shap_speed.py models FILE        fits the models, writes them with rows and backgrounds
    shap_speed.py trees              times shap.TreeExplainer on the first of them
    shap_speed.py permutations SET PAIRS    asks shap.PermutationExplainer about one of them

Run by the benchmark, with a Python that has shap 0.51.0, xgboost-cpu 3.2.0 and
scikit-learn 1.9.1; each in a process of its own, so that the peak of its memory is its
own. Times are processor seconds of one thread. Everything is seeded: the same versions
fit the same models.
"""
import contextlib
import importlib.util
import json
import os
import pathlib
import resource
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import shap
import xgboost

PLACE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "oracles" / "make_shapley.py"
SPEC = importlib.util.spec_from_file_location("make_shapley", PLACE)
oracle = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(oracle)

TREES, DEPTH = 100, 6
ROWS = 12
SEEDS = 3


def fitted():
    return {case[0]: case[1:] for case in oracle.fitted(TREES, DEPTH)}


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def models(path):
    cases = [
        {
            "name": name,
            "model": oracle.xgboost_trees(booster, 1) | {"inputs": rows.shape[1]},
            "background": background.tolist(),
            "rows": rows[:ROWS].tolist(),
            "many_rows": rows[:400].tolist(),
        }
        for name, (booster, background, rows) in fitted().items()
    ]
    pathlib.Path(path).write_text(json.dumps(cases))
    return {"peak_bytes": peak_bytes()}


def trees():
    booster, background, rows = fitted()["friedman"]
    explainer = shap.TreeExplainer(
        booster, background, feature_perturbation="interventional", model_output="raw"
    )
    rows = rows[:400]
    explainer.shap_values(rows[:10], check_additivity=False)
    times = []
    for _ in range(3):
        start = time.process_time()
        values = explainer.shap_values(rows, check_additivity=False)
        times.append(time.process_time() - start)
    return {
        "rows_per_second": len(rows) / min(times),
        "values": np.asarray(values)[:ROWS].tolist(),
        "peak_bytes": peak_bytes(),
    }


def permutations(name, pairs):
    booster, background, rows = fitted()[name]
    rows = rows[:ROWS]
    asked = 0

    def margin(x):
        nonlocal asked
        asked += len(x)
        return booster.inplace_predict(x, predict_type="margin")

    masker = shap.maskers.Independent(background, max_samples=len(background))
    found = []
    start = time.process_time()
    for seed in range(SEEDS):
        explainer = shap.PermutationExplainer(margin, masker, seed=seed)
        evals = pairs * (2 * rows.shape[1] + 1)
        with contextlib.redirect_stdout(sys.stderr):
            found.append(explainer(rows, max_evals=evals, silent=True).values.tolist())
    seconds = time.process_time() - start
    explained = SEEDS * len(rows)
    return {
        "values": found,
        "evaluations_per_row": asked / explained,
        "rows_per_second": explained / seconds,
        "peak_bytes": peak_bytes(),
    }


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "models":
        found = models(arguments[0])
    elif command == "trees":
        found = trees()
    else:
        found = permutations(arguments[0], int(arguments[1]))
    versions = {"shap": shap.__version__, "xgboost": xgboost.__version__}
    print(json.dumps(found | {"versions": versions}))


if __name__ == "__main__":
    main()
