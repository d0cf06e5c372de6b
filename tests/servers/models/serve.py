"""Models behind a real server, for the tests of models behind HTTP: KServe's
Python server, which speaks KServe v1 and the Open Inference Protocol v2.

    serve.py PORT OUT

Fits scikit-learn models with fixed seeds, writes rows and what the library says of
them to OUT as JSON, and serves the models at PORT:

    score    one number of five inputs, some of which may be missing
    shares   three numbers of the same inputs
    mixed    one number of a number, a whole number and a text, in a table
"""

import json
import sys

import kserve
import numpy as np
import pandas as pd
from kserve.utils.utils import get_predict_input, get_predict_response
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

COLOURS = ["red", "blue", "bl\u00e4u \"x\""]


class Served(kserve.Model):
    """A function of a table or an array, with its metadata where there are any."""

    def __init__(self, name, function, inputs=(), outputs=()):
        super().__init__(name)
        self.function, self.inputs, self.outputs = function, list(inputs), list(outputs)
        self.ready = True

    async def get_input_types(self):
        return self.inputs

    async def get_output_types(self):
        return self.outputs

    def predict(self, payload, headers=None, response_headers=None):
        return get_predict_response(payload, self.function(get_predict_input(payload)), self.name)


def tensor(name, datatype, *shape):
    return {"name": name, "datatype": datatype, "shape": [-1, *shape]}


def models():
    random = np.random.default_rng(20261126)
    rows = random.normal(size=(400, 5))
    rows[random.random(rows.shape) < 0.1] = np.nan
    known = np.nan_to_num(rows)
    target = known[:, 0] + 2 * known[:, 1] * known[:, 2] - (known[:, 3] > 0.3)
    score = HistGradientBoostingRegressor(max_iter=20, random_state=1).fit(rows, target)
    shares = HistGradientBoostingClassifier(max_iter=10, random_state=1)
    shares.fit(rows, np.digitize(target, [-1, 1]))
    table = pd.DataFrame(
        {
            "amount": random.normal(size=400),
            "children": random.integers(-2, 5, size=400),
            "colour": random.choice(COLOURS, size=400),
        }
    )
    encoded = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
    mixed = make_pipeline(encoded, DecisionTreeRegressor(max_depth=6, random_state=1))
    mixed.fit(table, table["amount"] * table["children"] + (table["colour"] == "red"))
    return rows[:100], score, shares, table[:100], mixed


def main():
    port, out = sys.argv[1:]
    rows, score, shares, table, mixed = models()
    expected = {
        "rows": [[None if np.isnan(value) else value for value in row] for row in rows.tolist()],
        "score": score.predict(rows).tolist(),
        "shares": shares.predict_proba(rows).tolist(),
        "colours": COLOURS,
        "table": [[a, c, COLOURS.index(colour)] for a, c, colour in table.itertuples(index=False)],
        "mixed": mixed.predict(table).tolist(),
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(expected, file, default=int)
    served = [
        Served("score", score.predict),
        Served("shares", shares.predict_proba, [tensor("x", "FP64", 5)], [tensor("output-0", "FP64", 3)]),
        Served(
            "mixed",
            mixed.predict,
            [tensor("amount", "FP64"), tensor("children", "INT64"), tensor("colour", "BYTES")],
            [tensor("output-0", "FP64")],
        ),
    ]
    kserve.ModelServer(http_port=int(port), enable_grpc=False, workers=1).start(served)


if __name__ == "__main__":
    main()
