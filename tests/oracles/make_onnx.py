#!/usr/bin/env python3
"""Makes onnx/: ONNX models and what ONNX Runtime predicts with them.

    python3 -m venv /tmp/oracles && /tmp/oracles/bin/pip install \\
        numpy==2.4.6 scikit-learn==1.9.1 xgboost-cpu==3.2.0 lightgbm==4.7.0 \\
        onnx==1.23.2 skl2onnx==1.20.0 onnxmltools==1.16.0 onnxruntime==1.32.0
    PYTHONHASHSEED=0 /tmp/oracles/bin/python tests/oracles/make_onnx.py

  NAME.onnx    a model, as skl2onnx or onnxmltools convert it, or made by hand of
               one operator where no converter writes what is to be tested
  NAME.f32.gz  ONNX Runtime's predictions of `rows` rows, `outputs` numbers each, as
               f32: first the lowest bytes of all numbers, then the next ones, since
               that is half the size
  cases.json   what there is, and the versions; of models that must be refused, a
               part of the message

Rows are made of splitmix64 (Steele, Lea and Flood, 2014) both here and in the test,
so that they need not be stored. Number (row, column) is that of the generator's
state 5 * row + column + 1 times its increment:
  columns 0, 1  53 of its bits, from -4 to 4
  columns 2, 3  a multiple of 1/8 from -4 to 3.875
  column 4      0 to 7
  missing       where the lowest byte is below 24, of models that take it
Seeds are fixed, and skl2onnx orders nodes by Python's hashes: the same versions make
the same files.
"""
import gzip
import json
import pathlib
import warnings

import lightgbm
import numpy as np
import onnx
import onnxmltools
import onnxruntime
import skl2onnx
import sklearn
import xgboost
from onnx import TensorProto, helper, numpy_helper
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn import ensemble, linear_model, neural_network, pipeline, preprocessing, svm, tree
from sklearn.impute import SimpleImputer

warnings.filterwarnings("ignore")
FOLDER = pathlib.Path(__file__).with_name("onnx")
COLUMNS = 5
MANY, FEW = 20_000, 2_000
CASES = []


def generated(count):
    """The generator's numbers 1 to count."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def rows(count, missing):
    z = generated(count * COLUMNS).reshape(count, COLUMNS)
    x = (z >> np.uint64(11)).astype(np.float64) / 2.0**53 * 8 - 4
    x[:, 2:4] = np.floor(x[:, 2:4] * 8) / 8
    x[:, 4] = np.floor(x[:, 4]) + 4
    if missing:
        x[(z & np.uint64(255)) < 24] = np.nan
    return x


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def predictions(model, x):
    run = session(model)
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    inputs = run.get_inputs()
    if len(inputs) == 1:
        feed = {inputs[0].name: x.astype(types[inputs[0].type])}
    else:
        feed = {i.name: x[:, [n]].astype(types[i.type]) for n, i in enumerate(inputs)}
    found = run.run([run.get_outputs()[-1].name], feed)[0]
    if isinstance(found, list):
        found = np.array([list(row.values()) for row in found])
    return found.reshape(len(x), -1).astype(np.float32)


def case(name, model, count=FEW, missing=False, second=False, **expected):
    """second: only the second column, where the first is its complement."""
    found = predictions(model, rows(count, missing))
    if second:
        found = found[:, 1:2]
    # Converters name graphs by chance.
    model.graph.name = name
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
    raw = found.astype("<f4").reshape(-1, 1).view(np.uint8).T.tobytes()
    (FOLDER / f"{name}.f32.gz").write_bytes(gzip.compress(raw, 9, mtime=0))
    CASES.append({"name": name, "rows": count, "missing": missing, "outputs": found.shape[1], **expected})


def refused(name, model, message):
    session(model)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
    CASES.append({"name": name, "refused": message})


def runtime_only(name, model, message, count=FEW):
    """Refused by the reader, with predictions: for what runs any model."""
    case(name, model, count, refused=message)


def by_hand(nodes, outputs, kind=TensorProto.FLOAT, version=3, names=("X",), initializers=()):
    width = COLUMNS if len(names) == 1 else 1
    inputs = [helper.make_tensor_value_info(name, kind, [None, width]) for name in names]
    outs = [helper.make_tensor_value_info(name, t, None) for name, t in outputs]
    graph = helper.make_graph(nodes, "model", inputs, outs, list(initializers))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def ml(operator, inputs, outputs, **attributes):
    as_proto = {
        k: numpy_helper.from_array(v, k) if isinstance(v, np.ndarray) else v for k, v in attributes.items()
    }
    return helper.make_node(operator, inputs, outputs, domain="ai.onnx.ml", **as_proto)


# Two trees: columns 0 and 2 three deep, column 3 alone.
SHAPE = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 2, 0, 0, 0, 3, 0, 0],
    "nodes_truenodeids": [1, 2, 0, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [4, 3, 0, 0, 0, 2, 0, 0],
}
THRESHOLDS = [0.5, -1.25, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
LEAVES = [(0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]


def modes(mode):
    return [mode, mode, "LEAF", "LEAF", "LEAF", mode, "LEAF", "LEAF"]


def votes(prefix, weights, ids):
    where = [LEAVES[n // (len(weights) // len(LEAVES))] for n in range(len(weights))]
    return {
        f"{prefix}_treeids": [t for t, _ in where],
        f"{prefix}_nodeids": [n for _, n in where],
        f"{prefix}_ids": ids,
        f"{prefix}_weights": weights,
    }


def regressor(weights, ids, targets=1, mode="BRANCH_LEQ", thresholds=THRESHOLDS, **more):
    values = {"nodes_values": thresholds, **SHAPE, "nodes_modes": modes(mode)}
    values.update(votes("target", weights, ids), n_targets=targets, **more)
    return ml("TreeEnsembleRegressor", ["X"], ["Y"], **values)


def classifier(weights, ids, labels=(0, 1), **more):
    values = {"nodes_values": THRESHOLDS, **SHAPE, "nodes_modes": modes("BRANCH_LEQ")}
    values.update(votes("class", weights, ids), classlabels_int64s=list(labels), **more)
    node = ml("TreeEnsembleClassifier", ["X"], ["L", "Y"], **values)
    return by_hand([node], [("L", TensorProto.INT64), ("Y", TensorProto.FLOAT)])


def sets(kind=np.float32, **more):
    """Splits: 0 on column 0, 1 on the category, 2 on column 3; two trees."""
    element = TensorProto.FLOAT if kind is np.float32 else TensorProto.DOUBLE
    values = {
        "n_targets": 1,
        "aggregate_function": 1,
        "post_transform": 0,
        "tree_roots": [0, 2],
        "nodes_featureids": [0, 4, 3],
        "nodes_modes": np.array([0, 6, 3], np.uint8),
        "nodes_splits": np.array([0.5, 0, 1.0], kind),
        "nodes_truenodeids": [1, 0, 3],
        "nodes_trueleafs": [0, 1, 1],
        "nodes_falsenodeids": [2, 1, 0],
        "nodes_falseleafs": [1, 1, 1],
        "membership_values": np.array([1, 2, 6, np.nan], kind),
        "leaf_targetids": [0, 0, 0, 0],
        "leaf_weights": np.array([0.5, -0.75, 1.1, 2.3], kind),
    }
    values.update(more)
    node = ml("TreeEnsemble", ["X"], ["Y"], **values)
    return by_hand([node], [("Y", element)], element, 5)


Y = [("Y", TensorProto.FLOAT)]
SIGNED = [0.3, -0.7, 1.1, 0.25, -0.4]
POSITIVE = [0.1, 0.2, 0.4, 0.05, 0.35]


def hand_made():
    zeros = [0] * 5
    for mode in ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ"):
        node = regressor(SIGNED, zeros, mode=f"BRANCH_{mode}", base_values=[0.125])
        case(f"mode_{mode.lower()}", by_hand([node], Y), missing=True)
    tracks = [1, 0, 0, 0, 0, 1, 0, 0]
    node = regressor(SIGNED, zeros, nodes_missing_value_tracks_true=tracks, aggregate_function="AVERAGE")
    case("average", by_hand([node], Y), missing=True)
    node = regressor(SIGNED, zeros, mode="BRANCH_GT", nodes_missing_value_tracks_true=tracks)
    case("tracks_true", by_hand([node], Y), missing=True)
    node = regressor(SIGNED, zeros)
    # Leaf 3 of tree 0 without a vote, and one of a node that is no leaf.
    next(a for a in node.attribute if a.name == "target_nodeids").ints[1] = 1
    case("votes_elsewhere", by_hand([node], Y))
    pairs = [w for s in SIGNED for w in (s, 1 - 2 * s)]
    for transform in ("NONE", "LOGISTIC", "SOFTMAX"):
        node = regressor(pairs, [0, 1] * 5, 2, post_transform=transform, base_values=[0.5, -0.25])
        case(f"targets_{transform.lower()}", by_hand([node], Y), link=transform)
    double = {
        "nodes_values_as_tensor": np.array(THRESHOLDS),
        "target_weights_as_tensor": np.array(SIGNED) / 3,
        "base_values_as_tensor": np.array([1 / 3]),
    }
    double["nodes_values_as_tensor"][0] = 1 / 3
    node = ml(
        "TreeEnsembleRegressor", ["X"], ["Y"], **SHAPE, nodes_modes=modes("BRANCH_LEQ"), n_targets=1, **double,
        **{k: v for k, v in votes("target", SIGNED, zeros).items() if k != "target_weights"},
    )
    case("double", by_hand([node], Y, TensorProto.DOUBLE), precision="double")

    case("one_of_two_positive", classifier(POSITIVE, zeros, base_values=[0.1]), second=True, link="NONE")
    case("one_of_two_signed", classifier(SIGNED, zeros, (7, 9)), second=True, link="NONE", names=["9"])
    case(
        "one_of_two_logistic", classifier(POSITIVE, zeros, post_transform="LOGISTIC", base_values=[-0.5]),
        second=True, link="LOGISTIC",
    )
    case("second_of_two", classifier(SIGNED, [1] * 5, post_transform="LOGISTIC"), link="LOGISTIC")
    case("both_of_two", classifier(pairs, [0, 1] * 5, post_transform="SOFTMAX"), link="SOFTMAX")

    cast = helper.make_node("Cast", ["X"], ["C"], to=TensorProto.FLOAT)
    tree_of_c = regressor(SIGNED, zeros)
    tree_of_c.input[0] = "C"
    case("cast", by_hand([cast, tree_of_c], Y, TensorProto.DOUBLE))
    names = ["age", "amount", "rate", "score", "region"]
    concat = helper.make_node("Concat", names, ["C"], axis=1)
    case("concat", by_hand([concat, tree_of_c], Y, names=names), inputs=names)

    case("sets", sets(), missing=True)
    for mode in (0, 1, 2, 4, 5):
        case(f"sets_mode_{mode}", sets(nodes_modes=np.array([0, 6, mode], np.uint8)), missing=True)
    case("sets_double", sets(np.float64), missing=True, precision="double")
    case("sets_tracks", sets(nodes_missing_value_tracks_true=[0, 1, 1]), missing=True)
    case("sets_large", sets(membership_values=np.array([40, 3, 7, np.nan], np.float32)))
    case("sets_average", sets(aggregate_function=0, leaf_targetids=[0, 1, 1, 0], n_targets=2))
    leaf = {"nodes_truenodeids": [1, 0, 3], "nodes_falsenodeids": [2, 1, 3], "nodes_modes": np.array([0, 6, 0], np.uint8)}
    case("sets_leaf", sets(**leaf))
    refused("refused_sets_softmax", sets(post_transform=1, n_targets=2), "post_transform 1 of TreeEnsemble")

    for function in ("MIN", "MAX"):
        node = regressor(SIGNED, zeros, aggregate_function=function)
        refused(f"refused_{function.lower()}", by_hand([node], Y), f"aggregate_function {function}")
    for transform in ("LOGISTIC", "PROBIT"):
        node = regressor(SIGNED, zeros, post_transform=transform)
        refused(f"refused_{transform.lower()}", by_hand([node], Y), f"post_transform {transform}")
    node = regressor([0.5, *SIGNED, 0.1, 0.2, 0.3, 0.4], [0] * 10)
    refused("refused_two_weights", by_hand([node], Y), "two weights for one target")
    refused("refused_base", classifier(pairs, [0, 1] * 5, base_values=[0.1, 0.2]), "two classes with base values")
    refused("refused_one_softmax", classifier(SIGNED, zeros, post_transform="SOFTMAX"), "post_transform SOFTMAX")
    twice = helper.make_node("Concat", ["X", "X"], ["C"], axis=1)
    refused("refused_twice", by_hand([twice, tree_of_c], Y), "joined twice")
    many = by_hand([regressor(SIGNED, [0, 1, 2, 3, 4999], 5000)], Y)
    refused("refused_targets", many, "5000 outputs, more than 4096")
    normal = ml("Normalizer", ["X"], ["C"], norm="L2")
    refused("refused_normalizer", by_hand([normal, tree_of_c], Y), "Normalizer before the model")
    node = regressor(SIGNED, zeros)
    node.output[0] = "R"
    tanh = helper.make_node("Tanh", ["R"], ["Y"])
    refused("refused_tanh", by_hand([node, tanh], Y), "Tanh behind the model")
    linear = ml("LinearRegressor", ["X"], ["Y"], coefficients=[0.1] * 5, post_transform="LOGISTIC")
    refused("refused_linear_logistic", by_hand([linear], Y), "post_transform LOGISTIC")
    relu = helper.make_node("Relu", ["X"], ["Y"])
    refused("refused_network", by_hand([relu], Y), "without trees or a linear model (Relu)")


def converted():
    rng = np.random.default_rng(20260)
    x = rows(3000, False)
    gaps = rows(3000, True)
    y = np.sin(x[:, 0]) * 2 + x[:, 1] * x[:, 2] / 4 + np.isin(x[:, 4], [1, 4, 6]) + rng.normal(size=3000) / 4
    two, three = (y > 0.3).astype(int), np.digitize(y, [-1, 1])
    text = np.array(["low", "middle", "high"])[three]
    f32 = x[:1].astype(np.float32)
    plain = {"zipmap": False}

    def sk(name, model, target, count=FEW, options=None, sample=f32, **more):
        fitted = model.fit(x.astype(np.float32), target)
        case(name, skl2onnx.to_onnx(fitted, sample, options=options), count, **more)

    forest = {"n_estimators": 5, "max_depth": 4, "random_state": 1}
    boost = {"n_estimators": 6, "max_depth": 3, "random_state": 1}
    sk("sklearn_gbr", ensemble.GradientBoostingRegressor(**boost), y, MANY)
    sk("sklearn_rf", ensemble.RandomForestRegressor(**forest), y, MANY)
    sk("sklearn_et_two_targets", ensemble.ExtraTreesRegressor(**forest), np.c_[y, x[:, 0] - y], MANY)
    sk("sklearn_tree", tree.DecisionTreeRegressor(max_depth=6, random_state=1), y, MANY)
    sk("sklearn_gbc", ensemble.GradientBoostingClassifier(**boost), two, MANY, second=True, link="LOGISTIC")
    sk("sklearn_gbc_three", ensemble.GradientBoostingClassifier(**boost), three, MANY, plain, link="SOFTMAX")
    sk("sklearn_rfc", ensemble.RandomForestClassifier(**forest), two, MANY, plain, second=True, link="NONE")
    sk("sklearn_rfc_text", ensemble.RandomForestClassifier(**forest), text, MANY, names=sorted(set(text)))
    scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), ensemble.GradientBoostingRegressor(**boost))
    sk("sklearn_scaled", scaled, y, MANY)
    imputed = pipeline.make_pipeline(SimpleImputer(), preprocessing.StandardScaler(), ensemble.RandomForestRegressor(**forest))
    sk("sklearn_imputed", imputed, y, missing=True)
    sk("sklearn_linear", linear_model.LinearRegression(), np.c_[y, -2 * y], kind="linear")
    sk("sklearn_logistic", linear_model.LogisticRegression(), two, options=plain, kind="linear", second=True, link="LOGISTIC")
    sk("sklearn_logistic_three", linear_model.LogisticRegression(), text, kind="linear", link="SOFTMAX", names=sorted(set(text)))
    scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    sk("sklearn_logistic_scaled", scaled, two, options=plain, kind="linear", second=True, link="LOGISTIC")

    def net(name, model, target, sample, message):
        fitted = pipeline.make_pipeline(preprocessing.StandardScaler(), model).fit(x, target)
        runtime_only(name, skl2onnx.to_onnx(fitted, sample, options=plain if target.dtype == int else None), message)

    layers = {"hidden_layer_sizes": (33, 17), "random_state": 1, "max_iter": 60}
    net("network_two", neural_network.MLPClassifier(**layers), two, f32, "without trees or a linear model")
    net("network", neural_network.MLPRegressor(**layers), y, f32, "without trees or a linear model")
    net("network_double", neural_network.MLPRegressor(**layers), y, x[:1], "without trees or a linear model")
    net("vectors", svm.SVR(max_iter=200), y, f32, "without trees or a linear model")

    kind = [("input", FloatTensorType([None, COLUMNS]))]
    counts = np.floor(np.exp(np.clip(y, -2, 2)))

    def xgb(name, model, target, count=FEW, **more):
        fitted = model.fit(gaps, target)
        case(name, onnxmltools.convert_xgboost(fitted, initial_types=kind, target_opset=15), count, True, **more)

    size = {"n_estimators": 6, "max_depth": 4, "random_state": 1, "n_jobs": 1}
    xgb("xgboost", xgboost.XGBRegressor(**size), y, MANY)
    xgb("xgboost_two", xgboost.XGBClassifier(**size), two, MANY, second=True, link="LOGISTIC")
    xgb("xgboost_three", xgboost.XGBClassifier(**{**size, "n_estimators": 3}), three, MANY, link="SOFTMAX")
    xgb("xgboost_poisson", xgboost.XGBRegressor(objective="count:poisson", **size), counts, link="LOG")

    def lgb(name, model, target, count=FEW, categories="auto", zipmap=False, **more):
        fitted = model.fit(gaps, target, categorical_feature=categories)
        made = onnxmltools.convert_lightgbm(fitted, initial_types=kind, zipmap=zipmap, target_opset=15)
        case(name, made, count, True, **more)

    size = {"n_estimators": 6, "max_depth": 4, "random_state": 1, "n_jobs": 1, "verbose": -1, "deterministic": True}
    lgb("lightgbm", lightgbm.LGBMRegressor(**size), y, MANY)
    lgb("lightgbm_categories", lightgbm.LGBMRegressor(**size, min_data_per_group=5, cat_smooth=1), y, MANY, [4])
    lgb("lightgbm_two", lightgbm.LGBMClassifier(**size), two, MANY, second=True, link="LOGISTIC")
    lgb("lightgbm_three", lightgbm.LGBMClassifier(**{**size, "n_estimators": 3}), three, MANY, zipmap=True, link="SOFTMAX")
    lgb("lightgbm_poisson", lightgbm.LGBMRegressor(objective="poisson", **size), counts, link="LOG")


def main():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    hand_made()
    converted()
    of = [lightgbm, np, onnx, onnxmltools, onnxruntime, skl2onnx, sklearn, xgboost]
    out = {"versions": {module.__name__: module.__version__ for module in of}, "cases": CASES}
    (FOLDER / "cases.json").write_text(json.dumps(out, indent=1) + "\n")


main()
