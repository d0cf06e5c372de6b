#!/usr/bin/env python3
"""Makes experiments.json: what experiments are decided by, computed another way.

    python3 -m venv /tmp/oracles && . /tmp/oracles/bin/activate
    pip install "numpy<2" "pandas<3" "setuptools<70" scipy statsmodels mpmath ssrm-test pydantic \\
        bokeh chartify scikit-build cmake ninja pybind11
    pip install --no-deps gbstats spotify-confidence
    CMAKE_ARGS=-DCMAKE_POLICY_VERSION_MINIMUM=3.5 pip install --no-deps --no-build-isolation confseq
    python tests/oracles/make_experiments.py

confseq needs Boost's headers. Numbers are computed from raw events and by mpmath with
50 digits where that is possible, and what a package can compute too is compared with
it here: gbstats (GrowthBook), confseq (Howard and others), ssrm-test (Lindon and
Malek), spotify-confidence (a port of R's ldbounds), statsmodels, scipy.
Seeds are fixed: the same versions make the same file.
"""
import importlib.metadata
import json
import math
import pathlib
import warnings

import numpy as np
import statsmodels.api as sm
from confseq import boundaries
from gbstats.frequentist.tests import SequentialConfig, SequentialTwoSidedTTest
from gbstats.models.statistics import RatioStatistic, SampleMeanStatistic
from mpmath import mp, mpf
from scipy import optimize, special, stats
from spotify_confidence.analysis.frequentist import sequential_bound_solver
from ssrm_test import ssrm_test
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

mp.dps = 50
CONCENTRATION = 10_000
NEAR, NEAR_WEIGHT = [mpf("1.01"), mpf("1.0175"), mpf("1.03")], mpf("0.1")
NEAREST, FURTHEST, OTHERS, OUTERMOST = mpf("1.05"), mpf(8), 12, mpf(32)
UNSEEN, HIGH_WEIGHT = mpf(10) ** -9, mpf("0.1")


def close(one, other, tolerance=1e-9):
    one, other = float(one), float(other)
    assert abs(one - other) <= tolerance * max(abs(one), abs(other), 1e-300), (one, other)


def number(value):
    """What JSON can hold: a double, or nothing."""
    return None if value is None or mp.isinf(value) else float(value)


# Confidence sequences: Waudby-Smith and others, "Time-uniform central limit theory and
# asymptotic confidence sequences", Annals of Statistics 52, 2024, equation 9.


def mixture(alpha, planned):
    log = -2 * mp.log(alpha)
    return mp.sqrt((log + mp.log(log + 1)) / planned)


def half_width(std_error, n, planned, alpha):
    scale = n * mixture(alpha, planned) ** 2
    return std_error * mp.sqrt(2 * (scale + 1) / scale * mp.log(mp.sqrt(scale + 1) / alpha))


def one_sided_half_width(std_error, n, planned, alpha):
    scale = n * mixture(2 * alpha, planned) ** 2
    return std_error * mp.sqrt(2 * (scale + 1) / scale * mp.log(1 + mp.sqrt(scale + 1) / (2 * alpha)))


def log_e_value(difference, std_error, n, rho):
    scale = n * rho**2
    return scale * (difference / std_error) ** 2 / (2 * (scale + 1)) - mp.log(scale + 1) / 2


def log_e_above(difference, std_error, n, rho):
    if difference <= 0:
        return None
    scale = n * rho**2
    exponent = scale * (difference / std_error) ** 2 / (2 * (scale + 1))
    return mp.log(2 * mp.expm1(exponent)) - mp.log(scale + 1) / 2


def sequence_case(std_error, n, planned, alpha, z):
    difference = float(z * std_error)
    given = [mpf(value) for value in (std_error, n, planned, alpha)]
    rho, rho_one = mixture(given[3], given[2]), mixture(2 * given[3], given[2])
    case = {"std_error": std_error, "n": n, "planned": planned, "alpha": alpha, "difference": difference,
            "rho": number(rho), "rho_one_sided": number(rho_one),
            "half_width": number(half_width(*given)),
            "one_sided_half_width": number(one_sided_half_width(*given)),
            "log_e_value": number(log_e_value(mpf(difference), given[0], given[1], rho)),
            "log_e_above": number(log_e_above(mpf(difference), given[0], given[1], rho_one))}
    # Howard's mixture, with the sum in units of a value's deviation, so that its variance is n.
    root, s = math.sqrt(n), difference / std_error * math.sqrt(n)
    close(case["half_width"], std_error / root * boundaries.normal_mixture_bound(n, alpha, planned, alpha, False), 1e-7)
    close(case["log_e_value"], boundaries.normal_log_mixture(s, n, planned, alpha, False), 1e-7)
    # The closed form of one side lies outside Howard's, which is exact, and near it.
    exact = std_error / root * boundaries.normal_mixture_bound(n, alpha, planned, alpha, True)
    wider = case["one_sided_half_width"] / exact
    assert 1 - 1e-9 <= wider < (1.1 if alpha <= 0.05 else 1.5), (case, wider)
    if case["log_e_above"] is not None:
        assert case["log_e_above"] <= boundaries.normal_log_mixture(s, n, planned, alpha, True) + 1e-9
    return case


def growthbook_agrees():
    """GrowthBook's package, and what the tests of its newer source expect."""
    a = SampleMeanStatistic(n=3000, sum=1396.87, sum_squares=52377.9767)
    b = SampleMeanStatistic(n=3461, sum=2422.7, sum_squares=134698.29)
    n = 6461
    for kind, planned in (("relative", 1000), ("absolute", 1000), ("absolute", 5000), ("relative", 77)):
        config = SequentialConfig(difference_type=kind, sequential_tuning_parameter=planned, alpha=0.05)
        test = SequentialTwoSidedTTest(a, b, config)
        std_error = math.sqrt(test.variance)
        width = half_width(mpf(std_error), mpf(n), mpf(planned), mpf(0.05))
        close(width, (test.confidence_interval[1] - test.confidence_interval[0]) / 2)
        log_e = log_e_value(mpf(test.point_estimate), mpf(std_error), mpf(n), mixture(mpf(0.05), mpf(planned)))
        close(min(1, mp.exp(-log_e)), test.p_value)
        if (kind, planned) == ("relative", 1000):
            assert abs(test.point_estimate - width + mpf("0.55844")) < 1e-5
            assert abs(test.point_estimate + width - mpf("1.56516")) < 1e-5
    # test_tests.py of the repository, sequential tests of one side with the default of 5,000.
    for estimate, std_error, lower, upper in (
            (0.5033610858562358, 0.3334122146400735, -0.42356454602790883, 1.4302867177403806),
            (0.23437666666666668, 0.12983081254184736, -0.12656844172804982, 0.5953217750613832)):
        width = one_sided_half_width(mpf(std_error), mpf(n), mpf(5000), mpf(0.05))
        close(estimate - width, lower, 1e-12)
        close(estimate + width, upper, 1e-12)


def confidence_sequence(rng):
    growthbook_agrees()
    cases = [sequence_case(std_error, n, planned, alpha, z) for std_error, n, planned, alpha, z in (
        (1.0, 1.0, 1.0, 0.05, 1.0), (0.01, 5000.0, 5000.0, 0.05, 0.0), (1e-12, 1e12, 5000.0, 0.05, 3.0),
        (1e9, 100.0, 1e9, 0.001, -2.0), (0.3, 400.0, 5000.0, 0.05, 60.0), (0.3, 400.0, 5000.0, 0.05, 1e-6),
        (0.02, 2e6, 100.0, 1e-6, 5.5), (0.02, 150.0, 1e7, 0.4, 4.0))]
    for _ in range(60):
        alpha = float(rng.choice([0.2, 0.1, 0.05, 0.025, 0.01, 0.001]))
        n, planned = (float(round(10 ** x)) for x in rng.uniform(1.5, 8, 2))
        cases.append(sequence_case(round(10 ** rng.uniform(-6, 3), 9), n, planned, alpha, rng.normal(0, 3)))
    return cases


# Rates. Against any ratio: the challenger's share in the positive events of each window.
# Against equal rates: Turner, Ly and Grünwald, "Generic E-variables for exact sequential
# k-sample tests", 2024, by odds ratios about the rate of earlier windows.


def grid():
    """The ratios of the grid with their weights."""
    near, far = mp.log(NEAREST), mp.log(FURTHEST)
    logs = [near * (far / near) ** (mpf(i) / (OTHERS - 1)) for i in range(OTHERS)]
    side = ([(ratio, NEAR_WEIGHT / len(NEAR)) for ratio in NEAR]
            + [(mp.exp(log), (1 - NEAR_WEIGHT) / OTHERS) for log in logs])
    return {1 / ratio: weight for ratio, weight in reversed(side)} | dict(side)


GRID = grid()
RATIOS = list(GRID)


def ratio_log(windows, ratio):
    total = mpf(0)
    for k_a, k_b, n_a, n_b in windows:
        if n_a and n_b:
            q = mpf(n_b) / (n_a + n_b)
            total += k_b * mp.log(ratio) - (k_a + k_b) * mp.log(1 - q + q * ratio)
    return total


def log_mean(logs, weights):
    return mp.log(sum(w * mp.exp(log) for log, w in zip(logs, weights)) / sum(weights)) if logs else mp.ninf


def log_mean_of(logs):
    """The average of what there is by ratio."""
    return log_mean(list(logs.values()), [GRID[ratio] for ratio in logs])


def rates_with(q, rate, odds):
    """The two rates with these odds and this average, by halving and not by the formula."""
    of_challenger = lambda a: odds * a / (1 - a + odds * a)
    low, high = mpf(0), mpf(1)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 - q) * middle + q * of_challenger(middle) < rate else (low, middle)
    return low, of_challenger(low)


def equal_log(windows, odds):
    total, positives, events = mpf(0), 0, 0
    for k_a, k_b, n_a, n_b in windows:
        if n_a and n_b:
            q = mpf(n_b) / (n_a + n_b)

            def log_ratio(rate):
                likelihood = lambda a, b: (k_a * mp.log(a) + (n_a - k_a) * mp.log(1 - a)
                                           + k_b * mp.log(b) + (n_b - k_b) * mp.log(1 - b))
                return likelihood(*rates_with(q, rate, odds)) - likelihood(rate, rate)

            if events:
                total += log_ratio((positives + mpf(1) / 2) / (events + 1))
            else:
                total += log_mean([log_ratio(UNSEEN), log_ratio(1 - UNSEEN)], [1 - HIGH_WEIGHT, HIGH_WEIGHT])
            positives, events = positives + k_a + k_b, events + n_a + n_b
    return total


class RatioEvidence:
    """The evidence against ratios, with the likelihood of every alternative kept."""

    def __init__(self, windows, design_effect):
        self.windows, self.deff = windows, mpf(design_effect)
        self.logs = [(ratio, ratio_log(windows, ratio)) for ratio in RATIOS]
        self.equal_logs = [(ratio, equal_log(windows, ratio)) for ratio in RATIOS]

    def against_equal(self, counts):
        return log_mean_of({ratio: log / self.deff for ratio, log in self.equal_logs if counts(ratio)})

    def against(self, null, counts):
        at_null = ratio_log(self.windows, null)
        return log_mean_of({ratio: (log - at_null) / self.deff for ratio, log in self.logs if counts(ratio)})

    def against_margin(self, margin, counts):
        """By a grid that begins at the margin."""
        at_null = ratio_log(self.windows, margin)
        log = lambda ratio: (ratio_log(self.windows, margin * ratio) - at_null) / self.deff
        return log_mean_of({ratio: log(ratio) for ratio in RATIOS if counts(ratio)})

    def above(self, null):
        return self.against(null, lambda ratio: ratio > null)

    def below(self, null):
        return self.against(null, lambda ratio: ratio < null)

    def bound(self, evidence, start, end, wanted):
        """The first ratio on the way from start to end without the wanted evidence.

        Between two alternatives the evidence falls along the way until it is below
        1; at an alternative it jumps, in either direction.
        """
        if evidence(start) < wanted:
            return None
        inside = sorted((r for r in RATIOS if min(start, end) < r < max(start, end)), reverse=start > end)
        for low, high in zip([start, *inside], [*inside, end]):
            just_before = high + (low - high) * mpf(10) ** -30
            if evidence(just_before) < wanted:
                low, high = mp.log(low), mp.log(just_before)
                while abs(high - low) > mpf(10) ** -20:
                    middle = (low + high) / 2
                    low, high = (middle, high) if evidence(mp.exp(middle)) >= wanted else (low, middle)
                return mp.exp(low)
            if evidence(high) < wanted:
                return high
        raise AssertionError("there is always a ratio without evidence")


def ratio_case(windows, alpha, design_effect, margin):
    evidence = RatioEvidence(windows, design_effect)
    wanted = -mp.log(mpf(alpha))
    is_above, is_below = (evidence.against_equal(lambda r: r > 1), evidence.against_equal(lambda r: r < 1))
    lower = evidence.bound(evidence.above, 1 / OUTERMOST, OUTERMOST, wanted)
    upper = evidence.bound(evidence.below, OUTERMOST, 1 / OUTERMOST, wanted)
    # Evidence against equal rates is evidence against all ratios on its side, and without it
    # nothing is said of the others.
    if is_above >= wanted:
        lower = mpf(1) if lower is None else max(lower, mpf(1))
    elif lower is not None:
        lower = min(lower, mpf(1))
    if is_below >= wanted:
        upper = mpf(1) if upper is None else min(upper, mpf(1))
    elif upper is not None:
        upper = max(upper, mpf(1))
    return {"windows": windows, "alpha": alpha, "design_effect": design_effect, "margin": margin,
            "log_e_above": number(is_above), "log_e_below": number(is_below),
            "log_e_value": number(evidence.against_equal(lambda _: True)),
            "log_e_above_margin": number(evidence.against_margin(mpf(margin), lambda ratio: ratio > 1)),
            "log_e_below_margin": number(evidence.against_margin(mpf(margin), lambda ratio: ratio < 1)),
            "lower": number(lower), "upper": number(upper)}


def pairs_case(windows):
    """Pairs in which one arm alone was positive: without a difference, a coin each."""
    evidence = RatioEvidence([[control, challenger, 1, 1] for control, challenger in windows], 1)
    return {"windows": windows, "log_e_above": number(evidence.above(mpf(1))),
            "log_e_below": number(evidence.below(mpf(1))),
            "log_e_value": number(evidence.against(mpf(1), lambda _: True))}


def ratios_are_evidence(rng):
    """Its mean under the null is at most 1, exactly; and seldom is it ever large."""
    alternatives = np.array([float(ratio) for ratio in RATIOS])
    for _ in range(200):
        n_a, n_b = (int(n) for n in rng.integers(1, 30, 2))
        null, rate = math.exp(rng.uniform(-1.5, 1.5)), rng.uniform(0.001, 0.6)
        if null * rate > 1:
            continue
        k_a, k_b = np.arange(n_a + 1)[:, None], np.arange(n_b + 1)[None, :]
        chance = stats.binom.pmf(k_a, n_a, rate) * stats.binom.pmf(k_b, n_b, null * rate)
        q = n_b / (n_a + n_b)
        for ratio in alternatives:
            log = k_b * math.log(ratio / null) - (k_a + k_b) * math.log((1 - q + q * ratio) / (1 - q + q * null))
            assert (chance * np.exp(log)).sum() <= 1 + 1e-12
        # Equal rates, whatever rate is supposed.
        rate = rng.uniform(0.001, 0.999)
        chance = stats.binom.pmf(k_a, n_a, rate) * stats.binom.pmf(k_b, n_b, rate)
        supposed = rng.uniform(0.001, 0.999)
        for odds in alternatives[::5]:
            a, b = (float(found) for found in rates_with(mpf(q), mpf(supposed), mpf(odds)))
            log = (k_a * math.log(a / supposed) + (n_a - k_a) * math.log((1 - a) / (1 - supposed))
                   + k_b * math.log(b / supposed) + (n_b - k_b) * math.log((1 - b) / (1 - supposed)))
            assert (chance * np.exp(log)).sum() <= 1 + 1e-9
    runs, looks = 4000, 40
    logs, most = np.zeros((runs, len(RATIOS))), np.zeros(runs)
    for look in range(looks):
        n_a, n_b, rate = 900 - 20 * look, 10 + 20 * look, 0.005 + 0.001 * look
        k_a, k_b = rng.binomial(n_a, rate, runs)[:, None], rng.binomial(n_b, rate, runs)[:, None]
        q = n_b / (n_a + n_b)
        logs += k_b * np.log(alternatives) - (k_a + k_b) * np.log(1 - q + q * alternatives)
        e = np.average(np.exp(logs), axis=1, weights=[float(GRID[ratio]) for ratio in RATIOS])
        most = np.maximum(most, e)
    spread = e.std() / math.sqrt(runs)
    assert e.mean() <= 1 + 3 * spread and (most >= 20).mean() <= 0.05, (e.mean(), (most >= 20).mean())
    print("rate ratio: mean", e.mean(), "+-", spread, "and 20 is ever reached by", (most >= 20).mean())


def rates(rng, count, size, share, rate, ratio):
    windows = []
    for _ in range(count):
        n_b = int(rng.binomial(size, share))
        n_a = size - n_b
        windows.append([int(rng.binomial(n_a, rate)), int(rng.binomial(n_b, min(1.0, rate * ratio))), n_a, n_b])
    return windows


def rate_ratio(rng):
    ratios_are_evidence(rng)
    cases = [
        ratio_case([], 0.05, 1.0, 1.1),
        ratio_case([[5, 0, 100, 0], [0, 3, 0, 50], [0, 0, 70, 70]], 0.05, 1.0, 1.1),
        ratio_case([[0, 1, 1, 1]], 0.05, 1.0, 1.0),
        ratio_case([[0, 400, 10_000, 10_000]], 0.05, 1.0, 1.2),
        ratio_case([[400, 0, 10_000, 10_000]], 0.05, 1.0, 0.8),
        ratio_case([[100, 100, 100, 100]], 0.05, 1.0, 1.2),
        # Rates near 1, where the failures tell.
        ratio_case([[9_800, 9_600, 10_000, 10_000]] * 3, 0.05, 1.0, 0.99),
        ratio_case([[999, 960, 1_000, 1_000], [1_000, 955, 1_000, 1_000]], 0.05, 2.5, 0.875),
        ratio_case([[2, 9, 99_000, 1_000]], 0.05, 1.0, 1.5),
        ratio_case([[10_000, 12_000, 1_000_000, 1_000_000]], 0.01, 1.0, 1.1),
        ratio_case([[90_000, 10_100, 9_000_000, 1_000_000]], 0.05, 1.0, 1.06),
        # Between 4.30 and 4.42 there is evidence against some ratios and none against lower
        # ones: with a near alternative left out, the mean of the others is larger.
        ratio_case([[60, 388, 2_000_000, 2_000_000]], 0.05, 1.0, 4.0),
    ]
    for _ in range(24):
        case = (int(rng.integers(1, 25)), int(10 ** rng.uniform(1.5, 4.2)), float(rng.choice([0.5, 0.1, 0.01, 0.8])),
                float(rng.choice([0.002, 0.02, 0.2, 0.6])), math.exp(rng.choice([0, 0.1, -0.2, 0.7, -1.2])))
        cases.append(ratio_case(rates(rng, *case), float(rng.choice([0.05, 0.01, 0.1])),
                               float(rng.choice([1.0, 1.0, 1.7, 6.3])), float(rng.choice([1.0, 1.1, 0.9, 1.5]))))
    return cases


# The split: Lindon and Malek, "Anytime-valid inference for multinomial count data", 2022.


def split_log(counts, weights):
    counts, weights = zip(*[(c, mpf(w)) for c, w in zip(counts, weights) if w > 0])
    shares = [weight / sum(weights) for weight in weights]
    log = mp.loggamma(CONCENTRATION) - mp.loggamma(CONCENTRATION + sum(counts))
    for count, share in zip(counts, shares):
        log += mp.loggamma(share * CONCENTRATION + count) - mp.loggamma(share * CONCENTRATION) - count * mp.log(share)
    return log


def split_case(epochs):
    """Epochs are of batches of counts, each with weights; their logarithms are added."""
    logs = [split_log(np.sum(batches, axis=0).tolist(), weights) for batches, weights in epochs]
    for (batches, weights), log in zip(epochs, logs):
        used = np.array(weights) > 0
        share = np.array(weights)[used] / np.array(weights)[used].sum()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = ssrm_test.sequential_posteriors(np.array(batches)[:, used], share)[-1]["log_bayes_factor"]
        assert abs(theirs - float(log)) < 1e-9 * (1e3 + np.sum(batches) * 10), (theirs, log)
        n, a = np.sum(batches, axis=0)[used], share * CONCENTRATION
        plain = (special.gammaln(CONCENTRATION) - special.gammaln(CONCENTRATION + n.sum())
                 + (special.gammaln(a + n) - special.gammaln(a) - n * np.log(share)).sum())
        assert abs(plain - float(log)) < 1e-9 * (1e3 + n.sum())
    return {"epochs": [{"counts": np.sum(b, axis=0).tolist(), "weights": w} for b, w in epochs],
            "log_evidence": number(sum(logs)), "p_value": number(min(mpf(1), mp.exp(-sum(logs))))}


def split_test(rng):
    cases = [split_case([([[0, 0]], [1.0, 1.0])]), split_case([([[1, 0]], [1.0, 1.0])]),
             split_case([([[5_300, 4_700]], [1.0, 1.0])]), split_case([([[0, 2_000, 3]], [0.5, 0.5, 0.0])]),
             split_case([([[500_000_000, 500_100_000]], [1.0, 1.0])]),
             split_case([([[99_000, 1_100]], [99.0, 1.0])]),
             split_case([([[990, 12]], [99.0, 1.0]), ([[902, 95]], [9.0, 1.0]), ([[510, 470]], [1.0, 1.0])])]
    for _ in range(30):
        epochs = []
        arms = int(rng.integers(2, 6))
        for _ in range(int(rng.integers(1, 4))):
            weights = [round(float(w), 3) for w in rng.uniform(0.05, 2, arms)]
            true = np.array(weights) * np.exp(rng.normal(0, rng.choice([0, 0.05, 0.3]), arms))
            sizes = (10 ** rng.uniform(1, 5, 3)).astype(int)
            epochs.append((rng.multinomial(sizes, true / true.sum()).tolist(), weights))
        cases.append(split_case(epochs))
    return cases


# Group-sequential bounds: Lan and DeMets, alpha / 2 * t^2 spent on each side.

NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)


def panels(low, high, width):
    """Gauss and Legendre's nodes in panels of at most this width."""
    edges = np.linspace(low, high, max(2, math.ceil((high - low) / width) + 1))
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    return (middle[:, None] + half[:, None] * NODES).ravel(), (half[:, None] * WEIGHTS).ravel()


def spending(times, alpha, both):
    """Bounds, and the probability of ever being above one; both: it ends at either side."""
    found, x, mass, before = [], None, None, 0.0
    for look, time in enumerate(times):
        step, root = math.sqrt(time - before), math.sqrt(time)
        to_spend = alpha / 2 * (time**2 - before**2)

        def above(edge):
            return stats.norm.sf(edge / root) if x is None else mass @ special.ndtr((x - edge) / step)

        edge = optimize.brentq(lambda edge: above(edge) / to_spend - 1, 0, 9 * root, xtol=1e-15, rtol=1e-14)
        found.append(edge / root)
        if look + 1 < len(times):
            width = min(step, math.sqrt(times[look + 1] - time))
            new, weights = panels(-edge if both else -10 * root, edge, width)
            if x is None:
                density = stats.norm.pdf(new / root) / root
            else:
                density = np.concatenate([np.exp(-(((part[:, None] - x) / step) ** 2) / 2) @ mass
                                          for part in np.array_split(new, 1 + len(new) // 500)])
                density /= step * math.sqrt(2 * math.pi)
            x, mass = new, weights * density
        before = time
    return found


def spending_case(times, alpha, ported=True):
    times = [float(time) for time in times]
    both, one = spending(times, alpha, True), spending(times, alpha, False)
    if ported:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            port = sequential_bound_solver.bounds(np.array(times), alpha, 2, 8, 2).bounds
        assert np.abs(port - one).max() < 5e-3, (port, one)
    # Another witness: the chance of so many normal sums within the bounds.
    for looks in range(2, len(times) + 1 if len(times) < 6 else 0):
        t, b = np.array(times[:looks]), np.array(both[:looks])
        correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
        normal = stats.multivariate_normal(cov=correlation, abseps=1e-9, releps=1e-9, maxpts=2_000_000)
        outside = 1 - normal.cdf(b, lower_limit=-b, rng=np.random.default_rng(1))
        assert abs(outside - alpha * t[-1] ** 2) < 1e-6, (outside, times)
    return {"times": times, "alpha": alpha, "bounds": both, "bounds_of_one_side": one}


def group_sequential(rng):
    four = spending_case([0.25, 0.5, 0.75, 1.0], 0.05)
    # What ldbounds says; its trapezoids spend 0.0000027 too much of 0.025.
    assert np.abs(np.array(four["bounds_of_one_side"]) - [2.9552, 2.5593, 2.3008, 2.0919]).max() < 1e-4
    uneven = lambda count: np.append(np.sort(rng.uniform(0.02, 0.98, count - 1)), 1.0)
    spread = lambda times: times[np.append(True, np.diff(times) > 0.006)]
    return [four, spending_case([1.0], 0.05), spending_case([0.02, 1.0], 0.01),
            spending_case([0.5, 0.506, 0.9, 0.994, 1.0], 0.05), spending_case(np.linspace(0.1, 1, 10), 0.001, False),
            spending_case(spread(uneven(10)), 0.05), spending_case(spread(uneven(14)), 0.1),
            spending_case(np.linspace(1 / 60, 1, 60), 0.05), spending_case(spread(uneven(70)), 0.05)]


# Estimates over windows, from raw events.


class Arm:
    """One arm's events in one window: m, its denominator d (1 for means), covariates x."""

    def __init__(self, raw):
        exact = np.vectorize(mpf, otypes=[object])
        self.n = len(raw["m"])
        self.m = exact(np.array(raw["m"], dtype=float)) if self.n else np.array([], dtype=object)
        self.d = exact(np.array(raw["d"], dtype=float)) if raw.get("d") else np.array([mpf(1)] * self.n, dtype=object)
        self.x = [exact(np.array(column, dtype=float)) for column in raw.get("x", [])]
        self.buckets = raw.get("bucket")
        self.total = sum(self.d, mpf(0))

    def ratio(self):
        return sum(self.m) / self.total

    def use(self, m):
        """These events with another value."""
        other = object.__new__(Arm)
        other.__dict__ = {**self.__dict__, "m": m}
        return other


def used(windows):
    """Windows in which both arms have at least two values and a positive denominator.

    The others are left out wholly.
    """
    pairs = [(Arm(window["control"]), Arm(window["challenger"])) for window in windows]
    return [(a, b) for a, b in pairs if min(a.n, b.n) >= 2 and min(a.total, b.total) > 0]


def estimate(pairs):
    """Difference of means or ratios, and its variance, unpooled and pooled."""
    h = [a.total * b.total / (a.total + b.total) for a, b in pairs]
    total = sum(h)
    weighed = lambda values: sum(w * value for w, value in zip(h, values)) / total
    unpooled, pooled = [], []
    for a, b in pairs:
        parts = [arm.n * sum((arm.m - arm.ratio() * arm.d) ** 2) / (arm.n - 1) / arm.total**2 for arm in (a, b)]
        unpooled.append(sum(parts))
        joint = (sum(a.m) + sum(b.m)) / (a.total + b.total)
        squares = sum((a.m - joint * a.d) ** 2) + sum((b.m - joint * b.d) ** 2)
        pooled.append(squares / (a.n + b.n - 1) * (a.n / a.total**2 + b.n / b.total**2))
    control, challenger = weighed([a.ratio() for a, _ in pairs]), weighed([b.ratio() for _, b in pairs])
    of = lambda variances: sum(w**2 * variance for w, variance in zip(h, variances)) / total**2
    return {"control": control, "challenger": challenger, "difference": challenger - control,
            "variance": of(unpooled), "pooled_variance": of(pooled),
            "n_effective": 4 * sum(mpf(a.n) * b.n / (a.n + b.n) for a, b in pairs)}


def clustered_variance(pairs, scaled=True):
    """By buckets of the unit; those that are in no window that counts are none.

    An arm's residuals in a window sum to nothing, which takes a part 1/k from what k
    buckets scatter by; `scaled` gives it back, else G / (G - 1) does over all buckets.
    """
    influence = {}
    total = mpf(0)
    for a, b in pairs:
        h = a.total * b.total / (a.total + b.total)
        total += h
        for arm, sign in ((a, -1), (b, 1)):
            k = len(set(arm.buckets))
            scale = mp.sqrt(mpf(k) / (k - 1)) if scaled and k > 1 else mpf(1)
            for bucket, residual in zip(arm.buckets, arm.m - arm.ratio() * arm.d):
                influence[bucket] = influence.get(bucket, mpf(0)) + sign * scale * h * residual / arm.total
    count = len(influence)
    factor = mpf(1) if scaled else mpf(count) / (count - 1)
    return factor * sum(i**2 for i in influence.values()) / total**2, count


def together(windows):
    """Small windows put together until both arms have ten values; what is left over does not count,
    nor does a window in which an arm has nothing."""
    found, pending = [], {"control": {}, "challenger": {}}
    is_enough = lambda arms: min(len(raw["m"]) for raw in arms.values()) >= 10
    for window in windows:
        if is_enough(window):
            found.append(window)
        elif all(raw["m"] for raw in window.values()):
            for arm, raw in window.items():
                for key, values in raw.items():
                    pending[arm][key] = pending[arm].get(key, []) + values
            if is_enough(pending):
                found.append(pending)
                pending = {"control": {}, "challenger": {}}
    return found


def numbers(of):
    return {key: number(value) for key, value in of.items()}


def estimate_case(name, windows):
    pairs = used(windows)
    found = numbers(estimate(pairs))
    if len(pairs) == 1 and not windows[0]["control"].get("d"):
        a, b = (np.array(arm.m, dtype=float) for arm in pairs[0])
        means = CompareMeans(DescrStatsW(b), DescrStatsW(a))
        offset = 1e-15 * np.abs(a).max()
        assert abs(found["difference"] - (b.mean() - a.mean())) < 1e-9 * abs(found["difference"]) + offset
        close(math.sqrt(found["variance"]), means.std_meandiff_separatevar, 1e-7)
        t, _, _ = means.ttest_ind(usevar="unequal")
        assert abs(t - found["difference"] / math.sqrt(found["variance"])) < 1e-4, (name, t)
    if len(pairs) == 1 and windows[0]["control"].get("d"):
        theirs = []
        for arm in pairs[0]:
            sample = lambda v: SampleMeanStatistic(n=arm.n, sum=float(sum(v)), sum_squares=float(sum(v**2)))
            theirs.append(RatioStatistic(n=arm.n, m_statistic=sample(arm.m), d_statistic=sample(arm.d),
                                         m_d_sum_of_products=float(sum(arm.m * arm.d))))
        close(found["difference"], theirs[1].mean - theirs[0].mean)
        close(found["variance"], theirs[1].variance / theirs[1].n + theirs[0].variance / theirs[0].n, 1e-8)
    pairs = used(together(windows))
    return {"name": name, "windows": windows, **found, "together": numbers(estimate(pairs)) if pairs else None}


def tidy(values):
    """Multiples of 1/64, which are whole in any unit that sums are kept in."""
    return (np.round(np.asarray(values, dtype=float) * 64) / 64).tolist()


def means(rng, sizes, offset=0.0, spread=1.0, draw=None):
    draw = draw or (lambda n, level: rng.normal(level, 1, n))
    windows = []
    for index, (n_a, n_b) in enumerate(sizes):
        level = rng.normal(0, 0.5)
        windows.append({"control": {"m": tidy(offset + spread * draw(n_a, level))},
                        "challenger": {"m": tidy(offset + spread * draw(n_b, level + 0.2))}})
    return windows


def ratios(rng, sizes):
    windows = []
    for n_a, n_b in sizes:
        level, window = rng.uniform(0.5, 2), {}
        for arm, n, lift in (("control", n_a, 1.0), ("challenger", n_b, 1.1)):
            d = rng.poisson(5, n) + (rng.random(n) < 0.9)
            window[arm] = {"m": tidy(lift * level * d + rng.normal(0, 1, n)), "d": tidy(d)}
        windows.append(window)
    return windows


def stratified(rng):
    skewed = lambda n, level: np.exp(rng.normal(level, 1.2, n))
    whether = lambda n, level: (rng.random(n) < 0.1 + 0.05 * abs(level)).astype(float)
    return [
        estimate_case("one window", means(rng, [(40, 31)])),
        estimate_case("one uneven window", means(rng, [(120, 5)], spread=30.0)),
        estimate_case("a ramp", means(rng, [(60, 3), (50, 9), (40, 20), (33, 31)])),
        estimate_case("windows that do not count",
                      means(rng, [(20, 0), (0, 7), (15, 1), (1, 15), (0, 0), (12, 2), (2, 2), (9, 11)])),
        estimate_case("skewed", means(rng, [(80, 10), (70, 12)], draw=skewed)),
        estimate_case("rates", means(rng, [(90, 30), (70, 40), (80, 20)], draw=whether)),
        estimate_case("far from nothing", means(rng, [(50, 50), (30, 40)], offset=1.6e7)),
        estimate_case("all alike in one arm",
                      [{"control": {"m": [1.0, 1.0, 1.0]}, "challenger": {"m": [1.0, 2.0, 4.0]}}]),
        estimate_case("one window of ratios", ratios(rng, [(40, 30)])),
        estimate_case("uneven windows of ratios", ratios(rng, [(60, 4), (50, 10), (20, 33), (1, 20), (30, 30)])),
    ]


def in_buckets(rng, windows, units, effect=0.0, most=256):
    """Gives every event a bucket; a unit is of one arm in all windows."""
    level = {arm: rng.normal(0, effect, units) for arm in ("control", "challenger")}
    bucket = {arm: rng.integers(0, most, units) for arm in level}
    for window in windows:
        for arm, raw in window.items():
            unit = rng.integers(0, units, len(raw["m"]))
            raw["m"] = tidy(np.array(raw["m"]) + level[arm][unit] * np.array(raw.get("d", 1.0)))
            raw["bucket"] = bucket[arm][unit].tolist()
    return windows


def clustered_case(name, windows):
    pairs = used(windows)
    case = estimate_case(name, windows)
    variance, buckets = clustered_variance(pairs)
    case |= {"clustered_variance": number(variance), "buckets": buckets,
             "design_effect": number(variance / estimate(pairs)["variance"])}
    if len(pairs) == 1 and not windows[0]["control"].get("d"):
        a, b = pairs[0]
        y = np.array([*a.m, *b.m], dtype=float)
        arm = np.repeat([0.0, 1.0], [a.n, b.n])
        groups = {"groups": np.array(a.buckets + b.buckets)}
        fit = sm.OLS(y, sm.add_constant(arm)).fit(cov_type="cluster", cov_kwds=groups)
        # statsmodels multiplies by G / (G - 1) and by (N - 1) / (N - 2), for two coefficients.
        unscaled, _ = clustered_variance(pairs, scaled=False)
        close(fit.bse[1] ** 2 * (len(y) - 2) / (len(y) - 1), unscaled, 1e-8)
    return case


def clustered(rng):
    return [
        clustered_case("one window", in_buckets(rng, means(rng, [(120, 90)]), 20, 0.7)),
        clustered_case("a unit an event", in_buckets(rng, means(rng, [(100, 90)]), 100_000)),
        clustered_case("few units over windows",
                       in_buckets(rng, means(rng, [(50, 9), (45, 30), (1, 8), (30, 33)]), 12, 1.0)),
        clustered_case("both arms in the same buckets", in_buckets(rng, means(rng, [(60, 50), (40, 40)]), 30, 0.5, 8)),
        clustered_case("ratios", in_buckets(rng, ratios(rng, [(60, 40), (50, 45)]), 25, 0.4)),
        clustered_case("one window of ratios", in_buckets(rng, ratios(rng, [(70, 60)]), 15, 0.4)),
    ]


# Covariates.


def scatter(arm):
    """Sums of squares and products of (y, x) about the arm's means, and these means."""
    columns = [arm.m, *arm.x]
    centre = [sum(column) / arm.n for column in columns]
    away = [column - mean for column, mean in zip(columns, centre)]
    return mp.matrix([[sum(one * other) for other in away] for one in away]), mp.matrix(centre)


def covariate_case(name, windows, singular=False):
    pairs = used(windows)
    h = [mpf(a.n) * b.n / (a.n + b.n) for a, b in pairs]
    size = 1 + len(pairs[0][0].x)
    w, q, moved = mp.zeros(size), mp.zeros(size), mp.zeros(size, 1)
    for (a, b), weight in zip(pairs, h):
        (scatter_a, mean_a), (scatter_b, mean_b) = scatter(a), scatter(b)
        w += scatter_a + scatter_b
        q += weight**2 * (scatter_a / (a.n - 1) / a.n + scatter_b / (b.n - 1) / b.n)
        moved += weight * (mean_b - mean_a)
    q, moved = q / sum(h) ** 2, moved / sum(h)
    if singular:  # Every solution leads to the same estimate; this one is the shortest.
        inner = np.array(w[1:, 1:].tolist(), dtype=float)
        theta = mp.matrix(np.linalg.lstsq(inner, np.array(w[1:, 0].tolist(), dtype=float), rcond=1e-12)[0].tolist())
    else:
        theta = mp.lu_solve(w[1:, 1:], w[1:, 0])
    a = mp.matrix([1, *(-t for t in theta)])
    adjusted, variance = (a.T * moved)[0], (a.T * q * a)[0]
    # The same from values that are adjusted one by one, which the pooled variance is of.
    adjust = lambda arm: arm.use(arm.m - sum(t * column for t, column in zip(theta, arm.x)))
    again = estimate([(adjust(one), adjust(other)) for one, other in pairs])
    close(again["difference"], adjusted, 1e-6 if singular else 1e-12)
    close(again["variance"], variance, 1e-6 if singular else 1e-12)
    plain = estimate(pairs)
    # Ordinary least squares with a level and an effect for each window.
    y = np.array([m for pair in pairs for arm in pair for m in arm.m], dtype=float)
    x = np.array([[m for pair in pairs for arm in pair for m in arm.x[j]] for j in range(size - 1)], dtype=float).T
    levels, effects = np.zeros((len(y), len(pairs))), np.zeros((len(y), len(pairs)))
    start = 0
    for index, (one, other) in enumerate(pairs):
        levels[start : start + one.n + other.n, index] = 1
        effects[start + one.n : start + one.n + other.n, index] = 1
        start += one.n + other.n
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = sm.OLS(y, np.hstack([levels, effects, x - x.mean(axis=0)])).fit()
    weights = np.array([float(weight / sum(h)) for weight in h])
    # A double near 1e6 has ten digits behind the point.
    close(weights @ fit.params[len(pairs) : 2 * len(pairs)], adjusted, 1e-8)
    return {"name": name, "windows": windows, "difference": number(plain["difference"]),
            "variance": number(plain["variance"]),
            "theta": None if singular else [number(t) for t in theta], "adjusted_difference": number(adjusted),
            "adjusted_variance": number(variance), "adjusted_pooled_variance": number(again["pooled_variance"]),
            "variance_explained": number(1 - variance / plain["variance"])}


def with_covariates(rng, sizes, weights, shift=0.0):
    windows = []
    for n_a, n_b in sizes:
        level, window = rng.normal(0, 0.4), {}
        for arm, n, lift in (("control", n_a, 0.0), ("challenger", n_b, 0.15)):
            x = [np.array(tidy(level + shift * j + (1 + j) * rng.normal(0, 1, n))) for j in range(len(weights))]
            y = level + lift + sum(weight * column for weight, column in zip(weights, x)) + rng.normal(0, 0.5, n)
            window[arm] = {"m": tidy(y), "x": [column.tolist() for column in x]}
        windows.append(window)
    return windows


def covariates(rng):
    alike = with_covariates(rng, [(30, 25)], [0.6, 0.0])
    for raw in alike[0].values():
        raw["x"][1] = (2 * np.array(raw["x"][0])).tolist()
    constant = with_covariates(rng, [(25, 20)], [0.5, 0.0])
    for raw in constant[0].values():
        raw["x"][1] = [3.0] * len(raw["m"])
    return [
        covariate_case("one", with_covariates(rng, [(40, 35)], [0.8])),
        covariate_case("three", with_covariates(rng, [(50, 20)], [0.8, -0.3, 0.1])),
        covariate_case("one over windows", with_covariates(rng, [(40, 5), (30, 30), (1, 9), (8, 20)], [0.7])),
        covariate_case("three over windows", with_covariates(rng, [(30, 10), (25, 25), (20, 30)], [0.5, 0.2, -0.4])),
        covariate_case("far from nothing", with_covariates(rng, [(30, 30)], [0.5, 0.3], 1e6)),
        covariate_case("that says nothing", with_covariates(rng, [(40, 40)], [0.0])),
        covariate_case("twice the same", alike, singular=True),
        covariate_case("that is always the same", constant, singular=True),
    ]


# Quantiles, pairs, power.


def quantile_case(windows, q):
    pairs = [(np.sort(w["control"]["m"]), np.sort(w["challenger"]["m"])) for w in windows]
    h = np.array([len(a) * len(b) / (len(a) + len(b)) for a, b in pairs])
    found = []
    for arm in range(2):
        values = np.concatenate([pair[arm] for pair in pairs])
        mass = np.concatenate([np.full(len(pair[arm]), w / len(pair[arm])) for pair, w in zip(pairs, h)]) / h.sum()
        order = np.argsort(values)
        found.append(float(values[order][np.searchsorted(np.cumsum(mass[order]), q - 1e-12)]))
    if len(pairs) == 1:
        for value, sample in zip(found, pairs[0]):
            assert value == np.quantile(sample, q, method="inverted_cdf")
    return {"windows": windows, "q": q, "control": found[0], "challenger": found[1], "difference": found[1] - found[0]}


def quantiles(rng):
    def windows(sizes):
        return [{arm: {"m": np.round(lift * np.exp(rng.normal(3, 0.8, n)), 2).tolist()} for arm, n, lift in
                 (("control", n_a, 1.0), ("challenger", n_b, 1.15))} for n_a, n_b in sizes]
    return [quantile_case(windows([(400, 300)]), 0.5),
            quantile_case(windows([(400, 60), (300, 150), (250, 240)]), 0.95),
            quantile_case(windows([(350, 300), (300, 350)]), 0.05)]


def mcnemar_case(both, only_control, only_challenger, neither):
    table = [[both, only_control], [only_challenger, neither]]
    few, all_ = min(only_control, only_challenger), only_control + only_challenger
    exact = stats.binomtest(few, all_, 0.5).pvalue if all_ else 1.0
    close(exact, mcnemar_test(table, exact=True).pvalue)
    pairs = both + only_control + only_challenger + neither
    difference = (only_challenger - only_control) / pairs
    variance = (all_ / pairs - difference**2) / (pairs - 1) if pairs > 1 else None
    return {"both": both, "only_control": only_control, "only_challenger": only_challenger, "neither": neither,
            "exact_p_value": exact, "difference": difference, "variance": variance}


def power_case(std_error, n, planned, alpha, power, effect):
    """Observations until a bound and the wanted power are an effect apart, at the present scatter."""
    z = mpf(float(stats.norm.ppf(power)))
    given = mpf(planned), mpf(alpha)
    at = lambda m: mpf(std_error) * mp.sqrt(mpf(n) / m)
    case = {"std_error": std_error, "n": n, "planned": planned, "alpha": alpha, "power": power, "effect": effect}
    for name, width in (("two_sided", half_width), ("one_sided", one_sided_half_width)):
        detectable = lambda m: width(at(m), m, *given) + z * at(m)
        too_much = lambda x: float(mp.log(detectable(mpf(10) ** x) / effect))
        needed = optimize.brentq(too_much, 0, 15, xtol=1e-14, rtol=1e-14)
        case[name] = {"detectable": number(detectable(mpf(n))), "n_needed": 10.0**needed}
    return case


def main():
    rng = np.random.default_rng(20261127)
    names = ["numpy", "scipy", "statsmodels", "mpmath", "gbstats", "confseq", "ssrm-test", "spotify-confidence"]
    answer = {
        "versions": {name: importlib.metadata.version(name) for name in names},
        "confidence_sequence": confidence_sequence(rng),
        "rate_ratio": {"ratios": [number(ratio) for ratio in RATIOS], "cases": rate_ratio(rng),
                       "pairs": [pairs_case(windows) for windows in
                                 ([], [[0, 1]], [[12, 31]], [[40, 5], [0, 0], [33, 9]], [[5_000, 5_120]])]},
        "split_test": split_test(rng),
        "group_sequential": group_sequential(rng),
        "stratified": stratified(rng),
        "clustered": clustered(rng),
        "covariates": covariates(rng),
        "quantiles": quantiles(rng),
        "mcnemar": [mcnemar_case(*table) for table in
                    ((80, 10, 5, 5), (0, 1, 0, 0), (900, 40, 78, 60), (10, 6, 6, 3), (50, 0, 12, 9))],
        "power": [power_case(*case) for case in
                  ((0.02, 1000.0, 5000.0, 0.05, 0.8, 0.01), (0.5, 300.0, 1e5, 0.01, 0.9, 0.02),
                   (0.001, 2e5, 2e4, 0.05, 0.8, 0.05), (12.0, 5000.0, 5000.0, 0.1, 0.95, 30.0))],
    }
    path = pathlib.Path(__file__).with_name("experiments.json")
    sections = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in answer.items()]
    path.write_text("{" + ",\n".join(sections) + "}\n", encoding="utf-8")
    print({key: len(section) for key, section in zip(answer, sections)}, path.stat().st_size)


if __name__ == "__main__":
    main()
