"""Forecasts and what came -> tests, scores, Model Confidence Set, coverage by regime."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray
from qfin.backtest.forecasts import Forecasts
from qfin.backtest.plan import BacktestPlan
from qfin.risk import back_tests, diebold_mariano, fissler_ziegel_loss, kupiec, model_confidence_set

# First and last day of the markets' bad times; all other days are calm. Chosen by the calendar of events: the failures
# of September 2008 to the trough of March 2009, the downgrade of the United States and the euro's debt crisis, the
# yuan's devaluation to the oil price's trough, the pandemic's first wave, the rise of interest rates.
REGIMES: dict[str, tuple[str, str]] = {
    "2008": ("2008-09-01", "2009-06-30"),
    "2011": ("2011-07-01", "2011-12-31"),
    "2015": ("2015-08-01", "2016-02-29"),
    "2020": ("2020-02-15", "2020-06-30"),
    "2022": ("2022-01-01", "2022-12-31"),
}
CALM = "calm"
REFERENCE = "fhs"
MCS_SIZE = 0.1

_SHOWN_TESTS = {
    "kupiec_p": "kupiec",
    "cc_p": "christoffersen_coverage",
    "dq_p": "dynamic_quantile",
    "z2_p": "acerbi_szekely_z2",
}


def tested_days(n_days: int, horizon: int) -> slice:
    """The days whose losses do not overlap: every `horizon`-th."""
    return slice(0, n_days, horizon)


def model_tests(losses: FloatArray, forecasts: Forecasts, plan: BacktestPlan) -> dict[str, list[dict[str, Any]]]:
    """All tests of one model by level, on days whose losses do not overlap.

    Losses of overlapping days are dependent under a right model too, and every test's null says that they are not. A
    level is left out (an empty list) where fewer than one exceedance is expected.
    """
    rows = tested_days(len(losses), plan.horizon)
    loss = losses[rows]
    results: dict[str, list[dict[str, Any]]] = {}
    for place, level in enumerate(plan.levels):
        if len(loss) * (1.0 - level) < 1.0 - 1e-9:
            results[level_key(level)] = []
            continue
        var, es = forecasts.var[rows, place], forecasts.es[rows, place]
        tests = back_tests(loss, var, es, level, draws=forecasts.draws[rows])
        results[level_key(level)] = [_json_ready(test.as_row()) for test in tests]
    return results


def evaluate(
    losses: FloatArray,
    dates: tuple[str, ...],
    forecasts: Mapping[str, Forecasts],
    tests: Mapping[str, dict[str, list[dict[str, Any]]]],
    plan: BacktestPlan,
) -> dict[str, Any]:
    """The rows of the table, scores by model and level, Model Confidence Sets, comparisons and regimes."""
    scores = {
        name: {
            level_key(level): fissler_ziegel_loss(losses, found.var[:, place], found.es[:, place], level)
            for place, level in enumerate(plan.levels)
        }
        for name, found in forecasts.items()
    }
    sets = {level_key(level): _confidence_set(scores, level_key(level), plan.seed) for level in plan.levels}
    rows = [
        _row(name, level, losses, found.var[:, place], scores[name], tests[name], sets, plan.horizon)
        for place, level in enumerate(plan.levels)
        for name, found in forecasts.items()
    ]
    return {
        "rows": rows,
        "scores": scores,
        "confidence_sets": sets,
        "comparisons": _comparisons(scores, plan),
        "regimes": _regime_rows(losses, dates, forecasts, scores, plan),
    }


def level_key(level: float) -> str:
    """A level as a key of JSON, such as 0.975."""
    return f"{level:g}"


def _row(
    name: str,
    level: float,
    losses: FloatArray,
    var: FloatArray,
    scores: Mapping[str, FloatArray],
    tests: Mapping[str, list[dict[str, Any]]],
    sets: Mapping[str, Any],
    horizon: int,
) -> dict[str, Any]:
    key, tested = level_key(level), tested_days(len(losses), horizon)
    found = {row["test"]: row["p_value"] for row in tests[key]}
    loss = losses[tested]
    return {
        "model": name,
        "level": level,
        "n": len(loss),
        "exceedances": int((loss > var[tested]).sum()),
        "expected": len(loss) * (1.0 - level),
        **{column: found.get(test) for column, test in _SHOWN_TESTS.items()},
        "fz_loss": float(scores[key].mean()),
        "in_mcs": None if sets[key] is None else name in sets[key]["included"],
    }


def _confidence_set(scores: Mapping[str, Mapping[str, FloatArray]], key: str, seed: int) -> dict[str, Any] | None:
    """None for a single model."""
    if len(scores) < 2:
        return None
    by_model = {name: found[key] for name, found in scores.items()}
    found = model_confidence_set(by_model, rng=stream(seed, "backtest", "mcs", key), size=MCS_SIZE)
    return {
        "included": list(found.included),
        "p_values": dict(found.p_values),
        "size": found.size,
        "block_length": found.block_length,
    }


def _comparisons(scores: Mapping[str, Mapping[str, FloatArray]], plan: BacktestPlan) -> list[dict[str, Any]]:
    """Every other model's score less that of filtered historical simulation: negative where it is better."""
    rows = []
    for level in plan.levels:
        key = level_key(level)
        for name, found in scores.items():
            if name == REFERENCE or REFERENCE not in scores or np.ptp(found[key] - scores[REFERENCE][key]) == 0.0:
                continue
            test = diebold_mariano(found[key], scores[REFERENCE][key])
            row = {"model": name, "reference": REFERENCE, "level": level}
            difference = test.details["mean_difference"]
            rows.append(row | {"difference": difference, "statistic": test.statistic, "p_value": test.p_value})
    return rows


def regime_of(dates: tuple[str, ...]) -> list[str]:
    """The regime of each day."""
    return [next((name for name, (a, b) in REGIMES.items() if a <= day <= b), CALM) for day in dates]


def _regime_rows(
    losses: FloatArray,
    dates: tuple[str, ...],
    forecasts: Mapping[str, Forecasts],
    scores: Mapping[str, Mapping[str, FloatArray]],
    plan: BacktestPlan,
) -> list[dict[str, Any]]:
    """Coverage and score by regime, on the days that are tested; Kupiec's p-value where one exceedance is expected."""
    tested = tested_days(len(losses), plan.horizon)
    names = np.array(regime_of(dates))[tested]
    rows = []
    for regime in (CALM, *REGIMES):
        inside = names == regime
        if not inside.any():
            continue
        for place, level in enumerate(plan.levels):
            for model, found in forecasts.items():
                hits = (losses[tested] > found.var[tested, place])[inside]
                enough = len(hits) * (1.0 - level) >= 1.0 - 1e-9
                rows.append(
                    {
                        "regime": regime,
                        "model": model,
                        "level": level,
                        "n": len(hits),
                        "exceedances": int(hits.sum()),
                        "expected": len(hits) * (1.0 - level),
                        "kupiec_p": kupiec(hits, level).p_value if enough else None,
                        "fz_loss": float(scores[model][level_key(level)][tested][inside].mean()),
                    }
                )
    return rows


def _json_ready(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has no word for become null."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
