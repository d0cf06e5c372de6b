#!/usr/bin/env python3
"""What numpy and scipy say about each day of production.csv, from the CSV itself.

    python tests/oracles/make_hotel.py REFERENCE.json REFERENCE.csv PRODUCTION.csv > scores.json

Unlike make_scores.py this runs during the test, in the environment that
scripts/prepare makes, since the data is not in the repository. Only the bins are
taken from the reference file; all counting and all mathematics is done here:

  psi                        the rule for empty bins of docs/scores.md
  ks, ks_limit               scipy.stats.ks_2samp on the raw values; the p-value of
                             a statistic is checked by the factor beside it
  wasserstein                scipy.stats.wasserstein_distance over numpy.std(ddof=1);
                             wasserstein_bound is half the mean width of the bins
  jensen_shannon             scipy.spatial.distance.jensenshannon
  chi_square                 scipy.stats.chi2_contingency(correction=False)
  hellinger, total_variation, l_infinity, mean, std_dev, min, max     numpy
"""
import csv
import datetime
import json
import math
import sys

import numpy as np
from scipy import special, stats
from scipy.spatial import distance

ROLES = {"y_pred_proba": "prediction", "y_pred": "prediction_class"}
TIME = "timestamp"


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def category(text):
    """A number that names something is written in one way: 40.0 is 40."""
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else repr(number)


def day_end_ms(text):
    day = datetime.datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=datetime.timezone.utc)
    return int((day + datetime.timedelta(days=1)).timestamp() * 1000)


class NumericBins:
    """Bin i holds lower(i) < x <= upper(i)."""

    def __init__(self, grid, cut):
        self.edges = np.array(grid["edges"], dtype=float)
        self.cut = np.array(cut["of_bin"])
        self.cut_bins = len(cut["labels"])

    def values(self, texts):
        return np.array([float(text) for text in texts if text != ""])

    def histogram(self, values):
        bins = np.searchsorted(self.edges, values, side="left")
        return np.bincount(self.cut[bins], minlength=self.cut_bins)

    def width_bound(self, reference, window):
        """Half the mean width of the bins that the values lie in; 0 where each
        bin holds a single value."""
        low = min(reference.min(), window.min())
        high = max(reference.max(), window.max())
        bound = 0.0
        for values in (reference, window):
            bins = np.searchsorted(self.edges, values, side="left")
            lower = np.concatenate([[-np.inf], self.edges])[bins]
            upper = np.concatenate([self.edges, [np.inf]])[bins]
            width = np.minimum(upper, high) - np.maximum(lower, low)
            bound += np.where(np.nextafter(lower, np.inf) == upper, 0.0, width).mean() / 2
        return float(bound)


class CategoricalBins:
    """The named categories, then the other known ones, then the unseen."""

    def __init__(self, grid, cut):
        named, other = grid["named"], grid["other"]
        self.codes = {name: code for code, name in enumerate(named)}
        self.codes.update({name: len(named) for name in other})
        self.unseen = len(named) + 1
        self.cut = np.array(cut["of_bin"])
        self.cut_bins = len(cut["labels"])

    def values(self, texts):
        return [category(text) for text in texts if text != ""]

    def histogram(self, values):
        bins = np.array([self.codes.get(value, self.unseen) for value in values], dtype=int)
        return np.bincount(self.cut[bins], minlength=self.cut_bins)


def bins_of(column):
    (kind, grid), = column["grid"].items()
    return (NumericBins if kind == "numeric" else CategoricalBins)(grid, column["cut"])


def psi(reference, window):
    m, n = reference.sum(), window.sum()
    total = 0.0
    for a, b in zip(reference, window):
        p, q = a / m, b / n
        if a == 0 and b == 0:
            continue
        if a == 0:
            p = min(1 / m, q)
        if b == 0:
            q = min(1 / n, p)
        total += (p - q) * math.log(p / q)
    return total


def histogram_scores(reference, window):
    p, q = reference / reference.sum(), window / window.sum()
    scores = {
        "psi": psi(reference, window),
        "jensen_shannon": distance.jensenshannon(p, q, base=2),
        "hellinger": math.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2),
        "total_variation": np.abs(p - q).sum() / 2,
        "l_infinity": np.abs(p - q).max(),
    }
    table = np.array([reference, window])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] >= 2:
        found = stats.chi2_contingency(table, correction=False)
        scores["chi_square"] = found.statistic
        scores["chi_square_p_value"] = found.pvalue
    return {name: float(value) for name, value in scores.items()}


def numeric_scores(bins, reference, window):
    m, n = len(reference), len(window)
    scores = {
        "ks": stats.ks_2samp(reference, window, method="asymp").statistic,
        "ks_factor": math.sqrt(m * n / (m + n)),
        "mean": window.mean(),
        "min": window.min(),
        "max": window.max(),
    }
    scores["ks_p_value"] = special.kolmogorov(scores["ks"] * scores["ks_factor"])
    if n > 1:
        scores["std_dev"] = window.std(ddof=1)
    deviation = reference.std(ddof=1)
    if deviation > 0:
        scores["wasserstein"] = stats.wasserstein_distance(reference, window) / deviation
        scores["wasserstein_bound"] = bins.width_bound(reference, window) / deviation
    return {name: float(value) for name, value in scores.items()}


def main():
    reference_json, reference_csv, production_csv = sys.argv[1:]
    with open(reference_json, encoding="utf-8") as file:
        columns = json.load(file)
    columns = columns.get("reference", columns)["columns"]
    names = {role: name for name, role in ROLES.items()}
    reference_rows = read(reference_csv)
    days = {}
    for row in read(production_csv):
        days.setdefault(day_end_ms(row[TIME]), []).append(row)

    answer = []
    for column in columns:
        name = names.get(column["name"], column["name"])
        bins = bins_of(column)
        reference = bins.values([row[name] for row in reference_rows])
        reference_histogram = bins.histogram(reference)
        for end, rows in sorted(days.items()):
            window = bins.values([row[name] for row in rows])
            scores = {"n": len(rows), "valid": len(window)}
            if len(window) > 0:
                scores.update(histogram_scores(reference_histogram, bins.histogram(window)))
                if isinstance(bins, NumericBins):
                    scores.update(numeric_scores(bins, reference, window))
            answer.append({"feature": column["name"], "end": end, "scores": scores})
    json.dump(answer, sys.stdout)


main()
