"""The record of a back-test, record.json: all that a table, a figure or a page shows.

Layout (`LEVEL` is a key such as "0.975", `MODEL` one such as "fhs"; vectors have one number a forecast day):

    kind         "backtest"
    source, assets, weights, seed, window, refit, span, horizon, n_draws, n_kept, levels, n_incomplete_days, timings
    models       [{name, label, filtered, refitted}], in the order asked for
    dates        [first day of each forecast]
    regime       [regime of each date]
    losses       [realised loss of the book, a fraction, positive when money is lost]
    forecasts    {MODEL: {LEVEL: {var, es, score}, "pit"}}, score the Fissler–Ziegel loss of the day
    rows         [{model, level, n, exceedances, expected, kupiec_p, cc_p, dq_p, z2_p, fz_loss, in_mcs}]
    tests        {MODEL: {LEVEL: [{test, statistic, p_value, size, reject, null, …}]}}
    confidence_sets  {LEVEL: {included, p_values, size, block_length}}, null for one model
    comparisons  [{model, reference, level, difference, statistic, p_value}], Diebold–Mariano, negative: model is better
    regimes      [{regime, model, level, n, exceedances, expected, kupiec_p, fz_loss}]
    notes        [sentences on how forecasts were made and what was left out]
    verdict      [sentences]
"""

from collections.abc import Mapping
from typing import Any

from qfin._types import FloatArray
from qfin.backtest.evaluation import REFERENCE, level_key, regime_of, tested_days
from qfin.backtest.forecasts import Forecasts
from qfin.backtest.inputs import BacktestInputs
from qfin.backtest.models import MODELS

BORN_MODELS = ("mps", "circuit")
_SIZE = 0.05


def backtest_record(
    inputs: BacktestInputs,
    source: str,
    forecasts: Mapping[str, Forecasts],
    tests: Mapping[str, Any],
    found: dict[str, Any],
    timings: dict[str, Any],
) -> dict[str, Any]:
    """The record, ready for JSON; `found` is the result of `evaluate`."""
    plan = inputs.plan
    dates = inputs.dates[inputs.days[0] : inputs.days[-1] + 1]
    return {
        "kind": "backtest",
        "source": source,
        "assets": list(inputs.assets),
        "weights": inputs.weights.tolist(),
        "seed": plan.seed,
        "window": plan.window,
        "refit": plan.refit,
        "span": plan.span,
        "horizon": plan.horizon,
        "n_draws": plan.n_draws,
        "n_kept": plan.n_kept,
        "levels": list(plan.levels),
        "n_incomplete_days": inputs.n_incomplete_days,
        "timings": timings,
        "models": [
            {"name": n, "label": MODELS[n].label, "filtered": MODELS[n].filtered, "refitted": MODELS[n].refitted}
            for n in plan.models
        ],
        "dates": list(dates),
        "regime": regime_of(dates),
        "losses": _short(inputs.losses),
        "forecasts": {
            name: {
                **{
                    level_key(level): {
                        "var": _short(values.var[:, place]),
                        "es": _short(values.es[:, place]),
                        "score": _short(found["scores"][name][level_key(level)]),
                    }
                    for place, level in enumerate(plan.levels)
                },
                "pit": _short(values.pit),
            }
            for name, values in forecasts.items()
        },
        "tests": dict(tests),
        **{key: found[key] for key in ("rows", "confidence_sets", "comparisons", "regimes")},
        "notes": _notes(inputs),
        "verdict": _verdict(found, inputs),
    }


def _short(values: FloatArray) -> list[float]:
    """Seven significant digits: a page of them stays small."""
    return [float(f"{value:.7g}") for value in values]


def _notes(inputs: BacktestInputs) -> list[str]:
    plan = inputs.plan
    notes = [
        f"Each forecast is made from the {plan.window} complete days before it alone.",
        f"Volatility parameters, margins and fast copulas are fitted every {plan.refit} days, vine and Born copulas "
        f"every {plan.span}; volatilities are filtered daily, and the window of historical simulation moves daily.",
        f"{plan.n_draws:,} joint innovations are drawn from a copula at each fit and rescaled every day to the "
        "volatilities of that day.",
        "An exceedance is a loss above the VaR; fz_loss is the mean Fissler–Ziegel loss (FZ0), less is better.",
        "Regimes are named by the calendar, not found in the data.",
    ]
    if plan.horizon > 1:
        notes.append(
            f"Losses over {plan.horizon} days overlap: they come from paths, with no square root of time, and scores "
            f"use all {len(inputs.days)} of them. Tests and coverage use every {plan.horizon}th day, whose losses do "
            "not overlap, for their nulls hold for independent losses alone."
        )
    n_tested = len(range(len(inputs.days))[tested_days(len(inputs.days), plan.horizon)])
    left_out = [level for level in plan.levels if n_tested * (1.0 - level) < 1.0 - 1e-9]
    if left_out:
        words = ", ".join(f"{level:.4g}" for level in left_out)
        notes.append(f"Tests at {words} are left out: fewer than one exceedance is expected in {n_tested} days.")
    if inputs.n_incomplete_days:
        notes.append(f"{inputs.n_incomplete_days} days on which an asset has no return are left out.")
    return notes


def _verdict(found: dict[str, Any], inputs: BacktestInputs) -> list[str]:
    sentences = []
    for level in inputs.plan.levels:
        rows = [row for row in found["rows"] if row["level"] == level]
        best = min(rows, key=lambda row: row["fz_loss"])
        chosen = found["confidence_sets"][level_key(level)]
        among = "" if chosen is None else f"; in the Model Confidence Set: {', '.join(map(_label, chosen['included']))}"
        sentences.append(f"{level:.4g}: {_label(best['model'])} has the lowest Fissler–Ziegel loss{among}.")
    sentences += [_against_reference(name, found["comparisons"]) for name in BORN_MODELS if name in inputs.plan.models]
    return [sentence for sentence in sentences if sentence]


def _against_reference(name: str, comparisons: list[dict[str, Any]]) -> str:
    """Whether a Born machine is ahead of filtered historical simulation, level by level."""
    rows = [row for row in comparisons if row["model"] == name]
    if not rows:
        return ""
    parts = []
    for row in rows:
        certain = row["p_value"] <= _SIZE
        word = "ahead of" if row["difference"] < 0 else "behind"
        parts.append(f"{word if certain else 'not told from'} it at {row['level']:.4g} (p = {row['p_value']:.2f})")
    return f"{_label(name)} beside {_label(REFERENCE)}: {', '.join(parts)}."


def _label(name: str) -> str:
    return MODELS[name].label
