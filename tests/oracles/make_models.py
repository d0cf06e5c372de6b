#!/usr/bin/env python3
"""Makes models/: small models of XGBoost and LightGBM, and what the libraries predict by them.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install \\
        xgboost-cpu==3.2.0 lightgbm==4.7.0 scikit-learn==1.9.1 pandas scipy numpy
    /tmp/oracles/bin/python tests/oracles/make_models.py

Rows are not stored: `rows` below and `rows` of tests/models/rows.rs make the same
ones of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014). A tenth of the values is missing, some are exact zeros, categories
have codes that were never trained with, negative ones and fractions.

models.json has an entry per model:
  file            the model, gzipped; XGBoost's are there as JSON and as UBJ (.ubj)
  rows            how many rows were predicted
  raw             <name>.raw.gz. Of XGBoost: the margin (output_margin=True) of every row
                  as float32. Of LightGBM: the raw score of four rows in one float64, times
                  1, 2, 3 and 4 and added up, so that every row is in it; the raw score is
                  times sigmoid, and of a random forest the mean
  predictions     what `predict` says of every (rows / 20)th row
  whole           the file of all trees' margins, where early stopping left some out
old.json is the same of models that older versions wrote:

    python3 -m venv /tmp/old && /tmp/old/bin/pip install \
        xgboost-cpu==2.1.4 lightgbm==3.3.5 pandas scipy numpy==1.26.4
    /tmp/old/bin/python tests/oracles/make_models.py

All predictions are by models that were loaded from their files. Seeds are fixed and
every library uses one thread: the same versions make the same files.
"""
import gzip
import json
import pathlib
import warnings

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

FOLDER = pathlib.Path(__file__).with_name("models")
NUMBERS, CATEGORIES = 4, (12, 70, 3)
WIDTH = NUMBERS + len(CATEGORIES)
TYPES = ["float"] * NUMBERS + ["c"] * len(CATEGORIES)


def mix(x):
    """The output function of splitmix64."""
    with np.errstate(over="ignore"):
        x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def rows(seed, count, odd=True):
    """Rows of four numbers and three codes. `odd` ones have codes beyond the trained ones."""
    hashes = mix(np.arange(count * WIDTH, dtype=np.uint64) + np.uint64(seed << 32)).reshape(count, WIDTH)
    share = (hashes >> np.uint64(11)).astype(float) * 2.0**-53
    chance = (hashes & np.uint64(1023)).astype(int)
    x = share * 8 - 4
    # Coarse values meet thresholds exactly.
    x[:, 1] = np.floor(x[:, 1] * 8) / 8
    x[:, 2] = np.floor(x[:, 2])
    if odd:
        # Values that were trained with are thresholds, once they are rounded to float32.
        for at in (0, 3):
            trained = mix((np.uint64(1 << 32) + hashes[:, at] % np.uint64(3000) * np.uint64(WIDTH)) + np.uint64(at))
            value = (trained >> np.uint64(11)).astype(float) * 2.0**-53 * 8 - 4
            x[:, at] = np.where((chance[:, at] >= 800) & (chance[:, at] < 900), value, x[:, at])
    x[:, :NUMBERS][(chance[:, :NUMBERS] >= 900) & (chance[:, :NUMBERS] < 960)] = 0
    for at, size in enumerate(CATEGORIES, NUMBERS):
        x[:, at] = np.floor(share[:, at] * (size + 2) - 1 if odd else share[:, at] * size)
        if odd:
            x[:, at] += np.where(chance[:, at] >= 1000, 0.5, 0)
    missing = chance < 100
    # The last number is never missing in training.
    missing[:, 3] &= odd
    x[missing] = np.nan
    return x


def target(x):
    known = np.nan_to_num(x, nan=-1.0)
    noise = mix(np.arange(len(x), dtype=np.uint64) + np.uint64(1 << 60)).astype(float) * 2.0**-64
    return (np.sin(known[:, 0]) + known[:, 1] * (known[:, 2] > 0) * 0.5 + np.abs(known[:, 3]) * 0.3
            + (known[:, 4] % 3 == 1) * 1.5 - (known[:, 5] % 7 < 2) + (known[:, 6] == 2) * 0.7 + noise - 0.5)


TRAIN = rows(1, 3000, odd=False)
Y = target(TRAIN)
CLASS = np.digitize(Y, [0.0, 1.2])
GROUPS = [100] * 30


def stored(name, array):
    path = FOLDER / name
    path.write_bytes(gzip.compress(array if isinstance(array, bytes) else array.tobytes(), 9, mtime=0))
    return name


def shown(predictions):
    step = len(predictions) // 20
    return np.asarray(predictions, dtype=float)[::step].tolist()


def matrix(x, y=None, types=TYPES):
    return xgb.DMatrix(x, y, feature_types=types, enable_categorical=True, nthread=1)


def numbers(x, y=None):
    """Codes as numbers: leaves with several values don't go with categories."""
    return matrix(x, y, ["float"] * WIDTH)


def xgb_entry(name, booster, count, x=None, whole=False, **more):
    files = {}
    for form in ("json", "ubj"):
        files[form] = bytes(booster.save_raw(form))
        stored(f"{name}.{form}.gz", files[form])
    loaded = xgb.Booster({"nthread": 1}, model_file=bytearray(files["ubj"]))
    data = matrix(rows(2, count)) if x is None else x
    best = loaded.attr("best_iteration")
    till = (0, int(best) + 1) if best is not None else (0, 0)
    raw = loaded.predict(data, output_margin=True, iteration_range=till)
    if whole:
        more["whole"] = stored(f"{name}.whole.gz", loaded.predict(data, output_margin=True).astype("<f4"))
    return {"library": "xgboost", "name": name, "file": f"{name}.json.gz", "ubj": f"{name}.ubj.gz", "rows": count,
            "raw": stored(f"{name}.raw.gz", raw.astype("<f4")),
            "predictions": shown(loaded.predict(data, iteration_range=till)), **more}


def xgb_train(rounds, data, **parameters):
    fixed = {"nthread": 1, "seed": 7, "tree_method": "hist", "max_depth": 4, "max_cat_to_onehot": 4}
    return xgb.train({**fixed, **parameters}, data, rounds)


def xgb_models():
    positive, binary = np.abs(Y) + 0.1, (Y > 0.5).astype(float)
    both = np.c_[Y, Y**2]
    out = [
        xgb_entry("xgb_regression", xgb_train(30, matrix(TRAIN, Y), max_depth=5), 20_000),
        xgb_entry("xgb_binary", xgb_train(12, matrix(TRAIN, binary), objective="binary:logistic", subsample=0.7,
                                          num_parallel_tree=2, scale_pos_weight=2), 20_000),
        xgb_entry("xgb_softprob", xgb_train(8, matrix(TRAIN, CLASS), objective="multi:softprob", num_class=3,
                                            num_parallel_tree=2, subsample=0.8), 5_000),
        xgb_entry("xgb_dart", xgb_train(12, matrix(TRAIN, positive), objective="count:poisson", booster="dart",
                                        rate_drop=0.4), 4_000),
        xgb_entry("xgb_dart_softprob", xgb_train(4, matrix(TRAIN, CLASS), objective="multi:softprob", num_class=3,
                                                 booster="dart", rate_drop=0.5), 1_000),
        xgb_entry("xgb_vector", xgb_train(8, numbers(TRAIN, both), multi_strategy="multi_output_tree"), 4_000,
                  numbers(rows(2, 4_000))),
        xgb_entry("xgb_vector_softprob", xgb_train(4, numbers(TRAIN, CLASS), objective="multi:softprob", num_class=3,
                                                   num_parallel_tree=2, multi_strategy="multi_output_tree"), 1_000,
                  numbers(rows(2, 1_000))),
        xgb_entry("xgb_targets", xgb_train(4, matrix(TRAIN, both)), 1_000),
        xgb_entry("xgb_labels", xgb_train(3, matrix(TRAIN, (both > 0.5) * 1.0), objective="binary:logistic"), 1_000),
        xgb_entry("xgb_pruned", xgb_train(4, matrix(np.where(TRAIN < 0, np.nan, TRAIN), Y), tree_method="approx",
                                          gamma=20, max_depth=6), 1_000),
        xgb_stopped(binary), xgb_stopped_dart(binary), xgb_named(),
    ]
    aft = matrix(TRAIN)
    aft.set_float_info("label_lower_bound", positive)
    aft.set_float_info("label_upper_bound", positive + 1)
    ranked = matrix(TRAIN, CLASS)
    ranked.set_group(GROUPS)
    kinds = {
        "reg:logistic": binary, "reg:squaredlogerror": positive, "reg:pseudohubererror": Y, "reg:absoluteerror": Y,
        "reg:gamma": positive, "reg:tweedie": positive, "binary:logitraw": binary, "multi:softmax": CLASS,
        "survival:cox": positive, "survival:aft": aft, "rank:pairwise": ranked, "rank:ndcg": ranked,
        "rank:map": None, "reg:quantileerror": Y,
    }
    relevant = matrix(TRAIN, CLASS > 1)
    relevant.set_group(GROUPS)
    for kind, labels in kinds.items():
        data = relevant if labels is None else matrix(TRAIN, labels) if isinstance(labels, np.ndarray) else labels
        more = {"reg:quantileerror": {"quantile_alpha": [0.1, 0.5, 0.9]}, "multi:softmax": {"num_class": 3}}.get(kind, {})
        name = "xgb_" + kind.replace(":", "_")
        out.append(xgb_entry(name, xgb_train(2, data, objective=kind, max_depth=3, **more), 500))
    # Base scores that the user set, in the unit of predictions.
    for kind, labels in {"binary:logistic": binary, "reg:gamma": positive, "binary:logitraw": binary}.items():
        name = "xgb_base_" + kind.replace(":", "_")
        out.append(xgb_entry(name, xgb_train(2, matrix(TRAIN, labels), objective=kind, base_score=0.3), 500))
    for kind in ("binary:hinge",):
        xgb_entry("xgb_refused_hinge", xgb_train(1, matrix(TRAIN, binary), objective=kind, max_depth=2), 40)
    xgb_entry("xgb_refused_linear", xgb.train({"booster": "gblinear", "nthread": 1},
              xgb.DMatrix(np.nan_to_num(TRAIN), Y), 2), 40, xgb.DMatrix(np.nan_to_num(rows(2, 40))))
    return out


def xgb_stopped(binary):
    """Early stopping leaves trees behind the best: the two interfaces disagree."""
    model = xgb.XGBClassifier(n_estimators=60, learning_rate=1.0, max_depth=4, early_stopping_rounds=4, n_jobs=1,
                              feature_types=TYPES, enable_categorical=True, num_parallel_tree=2, subsample=0.5,
                              random_state=7)
    model.fit(TRAIN[:2000], binary[:2000], eval_set=[(TRAIN[2000:], binary[2000:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    entry = xgb_entry("xgb_stopped", model.get_booster(), 1_000, whole=True)
    # The wrapper says the same as the range of iterations does.
    step = rows(2, 1_000)[::50]
    assert np.allclose(model.predict_proba(step)[:, 1], entry["predictions"], rtol=0, atol=1e-7)
    return entry


def xgb_stopped_dart(binary):
    data, test = numbers(TRAIN[:2000], binary[:2000]), numbers(TRAIN[2000:], binary[2000:])
    booster = xgb.train({"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3, "eta": 1.0, "seed": 7,
                         "nthread": 1}, data, 40, evals=[(test, "test")], early_stopping_rounds=4, verbose_eval=False)
    return xgb_entry("xgb_stopped_dart", booster, 1_000, numbers(rows(2, 1_000)), whole=True)


NAMES = {"colour": ["blue", "grün", "red"], "size": [5, 10, 20], "form": ["box", "", "can"]}
INPUTS = ["first", "colour", "third", "size", "form"]


def frame(x):
    codes = {"colour": x[:, 6], "size": x[:, 4] % 3, "form": x[:, 5] % 3}
    clean = {k: np.where(np.isin(v, [0, 1, 2]), v, -1).astype(int) for k, v in codes.items()}
    columns = {k: pd.Categorical.from_codes(v, NAMES[k]) for k, v in clean.items()}
    return pd.DataFrame({"first": x[:, 0], "colour": columns["colour"], "third": x[:, 2],
                         "size": columns["size"], "form": columns["form"]})


def xgb_named():
    """Names of a data frame's categories; the test gives codes.

    XGBoost counts letters where it should count bytes: the names of a column with one
    beyond ASCII are broken in its files.
    """
    booster = xgb_train(3, xgb.DMatrix(frame(TRAIN), Y, enable_categorical=True, nthread=1))
    data = xgb.DMatrix(frame(rows(2, 1_000)), enable_categorical=True, nthread=1)
    return xgb_entry("xgb_named", booster, 1_000, data, names={"3": ["5", "10", "20"], "4": NAMES["form"]},
                     inputs=INPUTS)


def lgb_train(rounds, x=TRAIN, y=Y, group=None, categorical=(4, 5, 6), **parameters):
    fixed = {"num_threads": 1, "seed": 7, "verbose": -1, "num_leaves": 15, "min_data_per_group": 10,
             "max_cat_to_onehot": 4, "cat_smooth": 2, "deterministic": True, "force_row_wise": True}
    data = lgb.Dataset(x, y, group=group, categorical_feature=list(categorical), free_raw_data=False,
                       params={**fixed, **parameters})
    return lgb.train({**fixed, **parameters}, data, rounds)


def lgb_entry(name, booster, count, x=None, factor=1.0, **more):
    text = booster.model_to_string()
    stored(f"{name}.txt.gz", text.encode())
    loaded = lgb.Booster(model_str=text)
    data = rows(2, count) if x is None else x
    raw = loaded.predict(data, raw_score=True, num_threads=1).reshape(count, -1) * factor
    blocks = np.einsum("brk,r->bk", raw.reshape(count // 4, 4, -1), np.array([1.0, 2, 3, 4]))
    return {"library": "lightgbm", "name": name, "file": f"{name}.txt.gz", "rows": count,
            "raw": stored(f"{name}.raw.gz", blocks.astype("<f8")),
            "predictions": shown(loaded.predict(data, num_threads=1)), **more}


def lgb_models():
    positive, binary = np.abs(Y) + 0.1, (Y > 0.5).astype(float)
    nowhere = np.nan_to_num(TRAIN)
    out = [
        lgb_entry("lgb_regression", lgb_train(25), 20_000),
        lgb_entry("lgb_binary", lgb_train(20, y=binary, objective="binary", sigmoid=2.0, zero_as_missing=True), 20_000,
                  factor=2.0),
        lgb_entry("lgb_no_missing", lgb_train(10, use_missing=False), 8_000),
        lgb_entry("lgb_never_missing", lgb_train(8, x=nowhere), 4_000),
        lgb_entry("lgb_multiclass", lgb_train(6, y=CLASS, objective="multiclass", num_class=3), 4_000),
        lgb_entry("lgb_one_against_all", lgb_train(4, y=CLASS, objective="multiclassova", num_class=3, sigmoid=0.7),
                  2_000, factor=0.7),
        lgb_entry("lgb_forest", lgb_train(10, y=binary, objective="binary", boosting="rf", bagging_freq=1,
                                          bagging_fraction=0.6, sigmoid=1.5), 4_000, factor=1.5 / 10),
        lgb_entry("lgb_forest_classes", lgb_train(4, y=CLASS, objective="multiclass", num_class=3, boosting="rf",
                                                  bagging_freq=1, bagging_fraction=0.6), 1_000, factor=1 / 4),
        lgb_entry("lgb_dart", lgb_train(10, boosting="dart", drop_rate=0.5), 2_000),
        lgb_entry("lgb_stump", lgb_train(2, y=binary, objective="binary", min_data_in_leaf=2_900), 40),
        lgb_named(),
    ]
    kinds = {
        "poisson": positive, "gamma": positive, "tweedie": positive, "cross_entropy": binary, "regression_l1": Y,
        "huber": Y, "fair": Y, "quantile": Y, "mape": Y, "lambdarank": CLASS, "rank_xendcg": CLASS, "custom": Y,
    }
    for kind, labels in kinds.items():
        objective = (lambda p, d: (p - d.label, np.ones_like(p))) if kind == "custom" else kind
        group = GROUPS if "rank" in kind else None
        booster = lgb_train(3, y=labels, group=group, objective=objective, num_leaves=6)
        out.append(lgb_entry(f"lgb_{kind}", booster, 400))
    lgb_entry("lgb_refused_linear", lgb_train(2, x=nowhere, linear_tree=True, num_leaves=3), 40)
    return out


def lgb_named():
    codes = frame(rows(2, 1_000))
    train = frame(TRAIN)
    fixed = {"num_threads": 1, "seed": 7, "verbose": -1, "num_leaves": 8, "deterministic": True,
             "force_row_wise": True}
    booster = lgb.train(fixed, lgb.Dataset(train, Y, free_raw_data=False), 3)
    return lgb_entry("lgb_named", booster, 1_000, codes,
                     names={"1": NAMES["colour"], "3": ["5", "10", "20"], "4": NAMES["form"]}, inputs=INPUTS)


def old_models():
    both = np.c_[Y, Y**2]
    return [
        xgb_entry("old_regression", xgb_train(5, matrix(TRAIN, Y)), 1_000),
        xgb_entry("old_binary", xgb_train(3, matrix(TRAIN, Y > 0.5), objective="binary:logistic"), 1_000),
        xgb_entry("old_vector", xgb_train(3, numbers(TRAIN, both), multi_strategy="multi_output_tree"), 1_000,
                  numbers(rows(2, 1_000))),
        lgb_entry("old_classes", lgb_train(3, y=CLASS, objective="multiclass", num_class=3), 1_000),
        lgb_entry("old_zero", lgb_train(3, zero_as_missing=True), 1_000),
    ]


def main():
    warnings.filterwarnings("ignore")
    FOLDER.mkdir(exist_ok=True)
    is_old = xgb.__version__ < "3"
    models = old_models() if is_old else xgb_models() + lgb_models()
    out = {
        "versions": {"xgboost": xgb.__version__, "lightgbm": lgb.__version__, "numpy": np.__version__,
                     "pandas": pd.__version__},
        # The first rows, so that a difference between the two generators is told as one.
        "rows": np.nan_to_num(rows(2, 40), nan=1e300).tolist(),
        "models": models,
    }
    (FOLDER / ("old.json" if is_old else "models.json")).write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")
    print(len(models), "models,", sum(p.stat().st_size for p in FOLDER.iterdir()), "bytes")


main()
