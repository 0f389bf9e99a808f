"""Size and power of the tests in `qfin.risk`: how often does each reject, when the model is right and when it is not?

A world makes losses with a known scale a day; a model predicts their law with that scale. All tests but the
expected-shortfall regression do not depend on the scale, so they see losses in units of it; the regression sees the
scale of a GARCH(1, 1) (0.10, 0.85). Laws have variance 1. A p-value is computed as the public function computes it,
for all repetitions at once; where repetitions share what the p-value depends on (the number of exceedances, say) the
public function is called once for each of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import ndtri

from qfin._random import stream
from qfin._threads import one_blas_thread
from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError
from qfin.risk import calibration, coverage, duration, pit, scoring, shortfall_tests
from qfin.risk.attribution import pnl_attribution
from qfin.risk.hypothesis import HypothesisTest, simulated_p_value

Say = Callable[[str], None]
PValues = Iterator[tuple[str, FloatArray]]
NOMINAL = 0.05
TAIL_LEVELS = (0.95, 0.975, 0.99)
ES_LEVEL = 0.975
N_NULL = 9999
_GARCH = (0.10, 0.85)
_WARM_UP = 250


@dataclass(frozen=True)
class Law:
    """A normal law, or Student's t with variance 1."""

    degrees_of_freedom: float = np.inf

    @property
    def scale(self) -> float:
        nu = self.degrees_of_freedom
        return 1.0 if np.isinf(nu) else float(np.sqrt((nu - 2.0) / nu))

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        nu = self.degrees_of_freedom
        return np.asarray(rng.standard_normal(shape) if np.isinf(nu) else self.scale * rng.standard_t(nu, shape))

    def cdf(self, x: FloatArray) -> FloatArray:
        values = stats.norm.cdf(x) if np.isinf(self.degrees_of_freedom) else self._student.cdf(x)
        return np.asarray(np.clip(values, 1e-15, 1.0 - 1e-15))

    def quantile(self, p: FloatArray | float) -> FloatArray:
        return np.asarray(ndtri(p) if np.isinf(self.degrees_of_freedom) else self._student.ppf(p))

    def shortfall(self, level: float) -> float:
        nu, tail = self.degrees_of_freedom, 1.0 - level
        if np.isinf(nu):
            return float(stats.norm.pdf(ndtri(level))) / tail
        q = float(stats.t.ppf(level, nu))
        return self.scale * float((nu + q**2) / (nu - 1.0) * stats.t.pdf(q, nu)) / tail

    @property
    def _student(self) -> Any:
        return stats.t(self.degrees_of_freedom, scale=self.scale)


@dataclass(frozen=True)
class World:
    """What is true and what the model says; `scale_error` is true scale over predicted, `blind` a constant scale."""

    alternative: str
    truth: Law
    model: Law
    scale_error: float = 1.0
    blind: bool = False


WORLDS = (
    World("none (normal)", Law(), Law()),
    World("none (t5)", Law(5.0), Law(5.0)),
    World("t10 truth, normal model", Law(10.0), Law()),
    World("t5 truth, normal model", Law(5.0), Law()),
    World("t3 truth, normal model", Law(3.0), Law()),
    World("t3 truth, t10 model", Law(3.0), Law(10.0)),
    World("t3 of scale 1 truth, normal model", Law(3.0), Law(), scale_error=float(np.sqrt(3.0))),
    World("normal, volatility 20% too low", Law(), Law(), scale_error=1.25),
    World("GARCH truth, constant normal model", Law(), Law(), blind=True),
)


def bench_risk_tests(
    n_days: Sequence[int] = (250, 500, 1000),
    *,
    n_repetitions: int = 2000,
    seed: int = 0,
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Rows `test, n, level, alternative, nominal, rejection_rate, n_repetitions`."""
    if n_repetitions < 100 or min(n_days) < 100 or max(n_days) > 5000:
        raise InputError(
            f"expected at least 100 repetitions of 100 to 5,000 days, received {n_repetitions} of {tuple(n_days)}"
        )
    rows: list[dict[str, Any]] = []
    with one_blas_thread():
        for n in n_days:
            for world in WORLDS:
                say(f"{n} days: {world.alternative}")
                rows += _world_rows(world, n, n_repetitions, seed)
            say(f"{n} days: comparisons of scores, P&L attribution")
            rows += _comparison_rows(n, n_repetitions, seed)
    return {"seed": seed, "nominal": NOMINAL, "rows": rows}


def summary_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per test and level; a cell has the rate in percent at each n. Size: of the true worlds the one further
    from nominal.
    """
    columns = {
        "t3 truth, normal model": "t3",
        "normal, volatility 20% too low": "low volatility",
        "GARCH truth, constant normal model": "constant",
        "volatility with 60% noise, other 20%": "noise",
    }
    days = sorted({row["n"] for row in rows})
    rates: dict[tuple[str, float], dict[tuple[str, int], float]] = {}
    for row in rows:
        if row["nominal"] is None:
            continue
        entry, rate = rates.setdefault((row["test"], row["level"]), {}), row["rejection_rate"]
        if row["alternative"].startswith("none"):
            key = ("size", row["n"])
            if abs(rate - NOMINAL) >= abs(entry.get(key, NOMINAL) - NOMINAL):
                entry[key] = rate
        elif row["alternative"] in columns:
            entry[columns[row["alternative"]], row["n"]] = rate
    return [
        {"test": test, "level": f"{level:g}"}
        | {name: _percentages([entry.get((name, n)) for n in days]) for name in ("size", *columns.values())}
        for (test, level), entry in rates.items()
    ]


def _percentages(rates: Sequence[float | None]) -> str:
    known = [f"{100.0 * rate:.1f}" for rate in rates if rate is not None]
    return " / ".join(known) if known else "–"


def _world_rows(world: World, n: int, n_repetitions: int, seed: int) -> list[dict[str, Any]]:
    rng = stream(seed, "bench_tests", world.alternative, str(n))
    shocks, scale = _garch_losses(world.truth, n, n_repetitions, rng)
    # In units of the predicted scale: what is left is the shock, or the whole loss where the model is blind.
    standard = (shocks * scale if world.blind else shocks) * world.scale_error
    rows: list[dict[str, Any]] = []

    def add(level: float | None, results: PValues) -> None:
        rows.extend(_row(name, n, level, world.alternative, p_values) for name, p_values in results)

    for level in TAIL_LEVELS:
        add(level, _exceedance_tests(standard > float(world.model.quantile(level)), level, rng))
    add(ES_LEVEL, _transform_tests(world.model.cdf(standard), ES_LEVEL))
    add(ES_LEVEL, _shortfall_tests(standard, world.model, ES_LEVEL, rng))
    predicted = np.ones_like(scale) if world.blind else scale
    add(ES_LEVEL, _regression_tests(standard * predicted, predicted, world.model, ES_LEVEL, rng))
    return rows


def _garch_losses(law: Law, n: int, n_rows: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Shocks of `law` and the scale that a GARCH(1, 1) with variance 1 gives them."""
    reaction, persistence = _GARCH
    shocks = law.draw(rng, (_WARM_UP + n, n_rows))
    variance = np.empty_like(shocks)
    variance[0] = 1.0
    for day in range(1, len(shocks)):
        before = variance[day - 1]
        variance[day] = 1.0 - reaction - persistence + (reaction * shocks[day - 1] ** 2 + persistence) * before
    return shocks[_WARM_UP:].T.copy(), np.sqrt(variance[_WARM_UP:].T)


def _exceedance_tests(hits: BoolArray, level: float, rng: np.random.Generator) -> PValues:
    counts = hits.sum(axis=1)
    first = np.where(hits.any(axis=1), hits.argmax(axis=1), -1)
    pairs = (hits[:, :-1] & hits[:, 1:]).sum(axis=1)
    edges = 2 * hits[:, 0] + hits[:, -1]
    markov = np.column_stack([counts, pairs, edges])
    uniform = rng.random(len(hits))
    for test, keys in (
        (coverage.kupiec, counts[:, None]),
        (coverage.traffic_light, counts[:, None]),
        (coverage.tuff, first[:, None]),
        (coverage.christoffersen_independence, markov),
        (coverage.christoffersen_coverage, markov),
    ):
        yield from _exact_tests(test, hits, keys, level, uniform)
    n = hits.shape[1]
    p_values = np.ones(len(hits))
    for count in np.unique(counts[counts >= 2]):
        rows = counts == count
        days = np.nonzero(hits[rows])[1].reshape(-1, count)
        ratio = duration.weibull_ratio(days, n)[0]
        p_values[rows] = simulated_p_value(ratio, duration.duration_null(n, int(count)))[0]
    yield "weibull_duration", p_values
    statistic = duration.dynamic_quantile_statistic(hits, 1.0 - level, None, 4)[0]
    p_value, mid = simulated_p_value(statistic, duration.dynamic_quantile_null(n, 1.0 - level, 4))
    yield "dynamic_quantile", p_value
    yield "dynamic_quantile, random ties", _random_ties(p_value, mid, uniform)
    yield "dynamic_quantile, asymptotic", stats.chi2.sf(statistic, 5)


def _exact_tests(
    test: Callable[[BoolArray, float], HypothesisTest],
    hits: BoolArray,
    keys: np.ndarray,
    level: float,
    uniform: FloatArray,
) -> PValues:
    """The test on one repetition of each kind, told apart by `keys`."""
    _, example, kind = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    results = [test(hits[row], level) for row in example]
    p_values = np.array([result.p_value for result in results])[kind]
    mid = np.array([result.details["mid_p_value"] for result in results], dtype=np.float64)[kind]
    name = results[0].name
    yield name, p_values
    yield f"{name}, random ties", _random_ties(p_values, mid, uniform)
    if "asymptotic_p_value" in results[0].details:
        asymptotic = np.array([result.details["asymptotic_p_value"] for result in results], dtype=np.float64)
        yield f"{name}, asymptotic", asymptotic[kind]


def _random_ties(p_values: FloatArray, mid: FloatArray, uniform: FloatArray) -> FloatArray:
    """As `HypothesisTest.random_ties_p_value`."""
    return 2.0 * mid - p_values + uniform * 2.0 * (p_values - mid)


def _transform_tests(u: FloatArray, level: float) -> PValues:
    n, tail, n_levels = u.shape[1], 1.0 - level, 4
    cells = pit.cell_probabilities(tail, n_levels)
    pearson = pit.pearson_statistic(pit.tail_counts(u, tail, n_levels), cells)
    factor, freedom = pit.nass_correction(n, cells)
    yield "multinomial_var", simulated_p_value(pearson, pit.multinomial_null(n, tail, n_levels))[0]
    yield "multinomial_var, Nass", stats.chi2.sf(factor * pearson, freedom)
    yield "multinomial_var, Pearson", stats.chi2.sf(pearson, n_levels)
    scores = ndtri(u)
    full = pit.autoregression_ratio(scores)
    yield "berkowitz", simulated_p_value(full, pit.autoregression_null(n))[0]
    yield "berkowitz, asymptotic", stats.chi2.sf(full, 3)
    censored = pit.tail_ratio(scores, level)
    yield "berkowitz_tail", simulated_p_value(censored, pit.tail_null(n, level))[0]
    yield "berkowitz_tail, asymptotic", stats.chi2.sf(censored, 2)
    yield "kolmogorov_smirnov", np.array([pit.kolmogorov_smirnov(row).p_value for row in u])
    yield "anderson_darling", simulated_p_value(pit.anderson_darling_statistic(u), pit.anderson_darling_null(n))[0]


def _shortfall_tests(losses: FloatArray, model: Law, level: float, rng: np.random.Generator) -> PValues:
    n, tail = losses.shape[1], 1.0 - level
    var, es = np.full(n, float(model.quantile(level))), np.full(n, model.shortfall(level))
    ones = np.ones((n, 1))
    own: dict[str, list[FloatArray]] = {"z1": [], "z2": [], "bias": [], "calibration": []}
    covariance = calibration.calibration_covariance(model.draw(rng, (N_NULL // 9, n)), var, es, tail, ones)
    for _ in range(9):
        draws = model.draw(rng, (N_NULL // 9, n))
        own["z1"].append(shortfall_tests.z1_statistic(draws, var, es))
        own["z2"].append(shortfall_tests.z2_statistic(draws, var, es, tail))
        own["bias"].append(shortfall_tests.minimal_bias_statistic(draws, var, es, tail))
        own["calibration"].append(calibration.calibration_statistic(draws, var, es, tail, ones, covariance))
    null = {name: np.concatenate(parts) for name, parts in own.items()}
    z1 = shortfall_tests.z1_statistic(losses, var, es)
    none = np.isnan(z1)
    p_z1 = simulated_p_value(-np.where(none, 0.0, z1), -null["z1"][~np.isnan(null["z1"])])[0]
    yield "acerbi_szekely_z1", np.where(none, 1.0, p_z1)
    z2 = shortfall_tests.z2_statistic(losses, var, es, tail)
    yield "acerbi_szekely_z2", simulated_p_value(-z2, -null["z2"])[0]
    reference = shortfall_tests.reference_nulls(n, tail, np.inf)[1]
    yield "acerbi_szekely_z2, normal null", simulated_p_value(-z2, -reference)[0]
    if n == 250:
        yield "acerbi_szekely_z2, below −0.70", np.where(z2 <= shortfall_tests.Z2_YELLOW, 0.0, 1.0)
    bias = shortfall_tests.minimal_bias_statistic(losses, var, es, tail)
    yield "acerbi_szekely_minimal_bias", simulated_p_value(-bias, -null["bias"])[0]
    law = model.quantile((np.arange(4000) + 0.5) / 4000)[None, :]
    z3 = shortfall_tests.z3_statistic(model.cdf(losses), law, tail)
    z3_null = shortfall_tests.z3_statistic(rng.random((N_NULL, n)), law, tail)
    yield "acerbi_szekely_z3", simulated_p_value(-z3, -z3_null)[0]
    statistic = calibration.calibration_statistic(losses, var, es, tail, ones, covariance)
    yield "nolde_ziegel", simulated_p_value(statistic, null["calibration"])[0]
    published = calibration.calibration_statistic(losses, var, es, tail, ones)
    yield "nolde_ziegel, asymptotic", stats.chi2.sf(published, 2)


def _regression_tests(
    losses: FloatArray, scale: FloatArray, model: Law, level: float, rng: np.random.Generator
) -> PValues:
    """Null laws differ by repetition: two draws of each are pooled (Giacomini, Politis and White 2013)."""
    var, es, tail = float(model.quantile(level)) * scale, model.shortfall(level) * scale, 1.0 - level
    histories = [scale * model.draw(rng, losses.shape) for _ in range(2)]
    spread = calibration.shortfall_spread(histories[0], var, es, tail)
    versions: tuple[calibration.EsrVersion, ...] = ("strict", "intercept") if np.ptp(scale) > 0.0 else ("intercept",)
    for version in versions:
        own = np.abs(calibration.regression_statistic(losses, var, es, tail, version, spread)[0])
        null = [calibration.regression_statistic(history, var, es, tail, version, spread)[0] for history in histories]
        yield f"esr_{version}", simulated_p_value(own, np.abs(np.concatenate(null)))[0]
        statistic = calibration.regression_statistic(losses, var, es, tail, version)[0]
        asymptotic = stats.chi2.sf(statistic, 2) if version == "strict" else 2.0 * stats.norm.sf(np.abs(statistic))
        yield f"esr_{version}, asymptotic", asymptotic


def _comparison_rows(n: int, n_repetitions: int, seed: int) -> list[dict[str, Any]]:
    """Equal forecasts and unequal ones: volatility with independent noise of 20 %, one of 60 % in the alternative."""
    rng = stream(seed, "bench_tests", "comparison", str(n))
    law, rows = Law(), []
    bandwidth = int(np.ceil(1.3 * np.sqrt(n)))
    for alternative, noise in (("none (equal noise)", 0.2), ("volatility with 60% noise, other 20%", 0.6)):
        losses = law.draw(rng, (n_repetitions, n))
        a, b, c = (_noisy_scores(losses, law, spread, rng) for spread in (noise, 0.2, 0.2))
        statistic = scoring.mean_statistic(a - b, bandwidth)
        p_values = scoring.fixed_b_p_value(statistic, bandwidth / n)
        rows.append(_row("diebold_mariano", n, ES_LEVEL, alternative, p_values))
        rows.append(_row("diebold_mariano, normal", n, ES_LEVEL, alternative, 2.0 * stats.norm.sf(np.abs(statistic))))
        kept = np.empty(n_repetitions // 10)
        for i in range(len(kept)):
            named = {"a": a[i], "b": b[i], "c": c[i]}
            chosen = scoring.model_confidence_set(named, rng=rng, size=NOMINAL, n_resamples=400)
            wrong = [chosen.p_values["a"]] if noise > 0.2 else list(chosen.p_values.values())
            kept[i] = min(wrong)
        rows.append(_row("model_confidence_set", n, ES_LEVEL, alternative, kept))
    for spread in (0.1, 0.5, 1.0):
        zones = []
        for _ in range(n_repetitions // 4):
            hypothetical = law.draw(rng, (n,))
            zones.append(pnl_attribution(hypothetical, hypothetical + spread * law.draw(rng, (n,))).zone)
        alternative = f"risk-theoretical P&L with {spread:.0%} noise"
        for name, outcome in (("amber or red", [z != "green" for z in zones]), ("red", [z == "red" for z in zones])):
            row = _row(f"pnl_attribution, {name}", n, None, alternative, np.where(outcome, 0.0, 1.0))
            rows.append(row | {"nominal": None})
    return rows


def _noisy_scores(losses: FloatArray, law: Law, spread: float, rng: np.random.Generator) -> FloatArray:
    """FZ0 scores of the law with a scale that is wrong by independent log-normal noise each day."""
    scale = np.exp(spread * rng.standard_normal(losses.shape))
    var, es = float(law.quantile(ES_LEVEL)) * scale, law.shortfall(ES_LEVEL) * scale
    flat = scoring.fissler_ziegel_loss(losses.ravel(), var.ravel(), es.ravel(), ES_LEVEL)
    return flat.reshape(losses.shape)


def _row(name: str, n: int, level: float | None, alternative: str, p_values: FloatArray) -> dict[str, Any]:
    return {
        "test": name,
        "n": n,
        "level": level,
        "alternative": alternative,
        "nominal": NOMINAL,
        "rejection_rate": float(np.mean(p_values <= NOMINAL)),
        "n_repetitions": len(p_values),
    }
