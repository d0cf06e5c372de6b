"""Makes multivariate.json: what scikit-learn and scipy say of small samples.

Run once with numpy, scipy and scikit-learn installed:
    python tests/oracles/make_multivariate.py
"""

import json
import pathlib

import numpy as np
import scipy
import sklearn
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score


def mixed_columns(rng, rows):
    """Columns that depend on each other, of different spread, one of them constant."""
    factors = rng.normal(size=(rows, 3))
    loadings = np.array([
        [1.0, 0.8, 0.0, 0.0, 0.3, 0.0, 0.0],
        [0.0, 0.2, 1.5, 0.9, 0.0, 0.1, 0.0],
        [0.0, 0.0, 0.0, 0.4, 2.0, 0.2, 0.0],
    ])
    noise = rng.normal(size=(rows, 7)) * np.array([0.1, 0.3, 0.2, 0.5, 0.1, 0.05, 0.0])
    return np.round(factors @ loadings + noise + np.arange(7.0), 6)


def principal_cases():
    rng = np.random.default_rng(20_241_101)
    cases = []
    for name, share, rows in [("wide share", 0.9, 60), ("the default share", 0.65, 120), ("fewer rows than columns", 0.8, 5)]:
        reference, window = mixed_columns(rng, rows), mixed_columns(rng, 12) + np.array([0, 0, 0, 1, 0, 0, 2])
        pca = PCA(svd_solver="full").fit(reference)
        # The fewest components that hold the share.
        kept = int(np.searchsorted(np.cumsum(pca.explained_variance_ratio_), share) + 1)
        pca = PCA(n_components=kept, svd_solver="full").fit(reference)
        residual = window - pca.inverse_transform(pca.transform(window))
        cases.append({
            "name": name,
            "share": share,
            "reference": reference.tolist(),
            "window": window.tolist(),
            "components": kept,
            "errors": (residual**2).sum(axis=1).tolist(),
        })
    return cases


def delong_variance(first, second):
    """By the definition: variances of the structural components."""
    wins = (first[:, None] < second[None, :]) + 0.5 * (first[:, None] == second[None, :])
    return wins.mean(axis=1).var(ddof=1) / len(first) + wins.mean(axis=0).var(ddof=1) / len(second)


def permuted_variance(first, second, rng):
    """Of the AUC when the scores are dealt to the groups by chance: simulated."""
    ranks = rankdata(np.concatenate([first, second]))
    m, n = len(first), len(second)
    sums = np.array([rng.permutation(ranks)[:n].sum() for _ in range(200_000)])
    return ((sums - n * (n + 1) / 2) / (m * n)).var()


def auc_cases():
    rng = np.random.default_rng(20_241_102)
    samples = {
        "a shift": (rng.normal(0, 1, 40), rng.normal(0.7, 1, 30)),
        "ties": (rng.poisson(2, 50).astype(float), rng.poisson(3, 35).astype(float)),
        "two values": (rng.binomial(1, 0.3, 60).astype(float), rng.binomial(1, 0.5, 40).astype(float)),
        "apart": (np.arange(5.0), np.arange(5.0, 9.0)),
        "the wrong way": (rng.normal(1, 1, 20), rng.normal(0, 1, 25)),
        "all equal": (np.full(8, 2.5), np.full(6, 2.5)),
    }
    cases = []
    for name, (first, second) in samples.items():
        labels = np.concatenate([np.zeros(len(first)), np.ones(len(second))])
        cases.append({
            "name": name,
            "first": first.tolist(),
            "second": second.tolist(),
            "auc": float(roc_auc_score(labels, np.concatenate([first, second]))),
            "delong_variance": float(delong_variance(first, second)),
            "permuted_variance": float(permuted_variance(first, second, rng)),
        })
    return cases


def main():
    versions = {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__}
    # One case a line, for diffs that can be read.
    lines = lambda cases: "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]"
    document = (
        f'{{"made_by": "tests/oracles/make_multivariate.py", "versions": {json.dumps(versions)},\n'
        f'"principal": {lines(principal_cases())},\n"auc": {lines(auc_cases())}}}\n'
    )
    path = pathlib.Path(__file__).with_name("multivariate.json")
    path.write_text(document)
    print(f"{path}: {len(document)} bytes")


if __name__ == "__main__":
    main()
