"""Stress: a generator and an event -> scenarios given the event, beside those without it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray
from qfin.copulas import Event, EventProbability, draws_given
from qfin.exceptions import InputError
from qfin.scenarios._table import asset_names, check_n_samples
from qfin.scenarios.event_text import parse_event
from qfin.scenarios.generator import ScenarioGenerator
from qfin.scenarios.return_events import in_unit_cube
from qfin.scenarios.scenario_set import ScenarioSet

# Below this share of effective draws, conditional tails rest on few scenarios.
LOW_EFFECTIVE_SHARE = 0.05
_LEAST_DRAWS = 2_000  # weighted draws behind a resample at least
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class StressResult:
    """Scenarios of a bad day, beside those of any day.

    Attributes
    ----------
    event : str
        What was asked for, in words.
    likelihood : EventProbability
        P(event) on a day, its standard error, and whether it is exact; 1 where nothing must happen (tempered draws), 0
        for exact values of assets.
    scenarios : ScenarioSet
        Given the event; weighted where the draws are not exact.
    baseline : ScenarioSet
        As many draws of the same model without it.
    """

    event: str
    likelihood: EventProbability
    scenarios: ScenarioSet
    baseline: ScenarioSet

    @property
    def warning(self) -> str | None:
        """One sentence where the effective sample size is below `LOW_EFFECTIVE_SHARE` of the draws."""
        effective, n = self.scenarios.effective_sample_size, len(self.scenarios)
        if effective >= LOW_EFFECTIVE_SHARE * n:
            return None
        return (
            f"effective sample size {effective:,.0f} of {n:,} draws is below {LOW_EFFECTIVE_SHARE:.0%}: "
            "conditional tails rest on few scenarios; draw more"
        )

    def asset_rows(self) -> list[dict[str, Any]]:
        """Mean and quantiles of every asset's return given the event, and without it."""
        tables = [_columns(self.scenarios), _columns(self.baseline)]
        return [
            {"asset": asset}
            | {key: float(values[j]) for key, values in tables[0].items()}
            | {f"{key}_before": float(values[j]) for key, values in tables[1].items()}
            for j, asset in enumerate(self.scenarios.assets)
        ]


def baseline_scenarios(generator: ScenarioGenerator, n_scenarios: int, *, rng: RandomLike = None) -> ScenarioSet:
    """The days that `stress_scenarios` puts beside those of an event: the same ones for every event of one seed.

    A generator `rng` gives a child of its own for them and is not advanced.
    """
    names, n = asset_names(_with_copula(generator)), check_n_samples(n_scenarios)
    (child,) = as_generator(rng).spawn(1)
    return ScenarioSet(generator.sample(n, rng=child), names, provenance=_provenance(generator, rng))


def stress_scenarios(
    generator: ScenarioGenerator,
    event: Event | str,
    n_scenarios: int,
    *,
    rng: RandomLike = None,
    baseline: ScenarioSet | None = None,
) -> StressResult:
    """Draw `n_scenarios` days from a fitted generator given an event, written as text or built from event objects.

    `baseline` are `baseline_scenarios` drawn before, to spare the time; the event's days do not hang on them.
    """
    names, n = asset_names(_with_copula(generator)), check_n_samples(n_scenarios)
    if baseline is None:
        baseline = baseline_scenarios(generator, n, rng=rng)
    provenance = _provenance(generator, rng)
    draws = draws_given(generator.copula_, _cube_event(generator, event), n, rng=as_generator(rng), assets=names)
    provenance |= {"event": str(event), "event_probability": draws.likelihood.probability}
    scenarios = ScenarioSet(generator.marginals_.from_uniform(draws.u), names, draws.weights, provenance)
    return StressResult(str(event), draws.likelihood, scenarios, baseline)


def _with_copula(generator: ScenarioGenerator) -> ScenarioGenerator:
    if not isinstance(generator, ScenarioGenerator):
        raise InputError(f"stress: expected a model with a copula, received {type(generator).__name__}")
    return generator


def _provenance(generator: ScenarioGenerator, rng: RandomLike) -> dict[str, str | int | float]:
    known: dict[str, str | int | float] = {
        "generator": type(generator).__name__,
        "copula": type(generator.copula_).__name__,
    }
    return known | ({"seed": int(rng)} if isinstance(rng, int | np.integer) else {})


def returns_given(
    generator: ScenarioGenerator, event: Event | str, n_samples: int, *, rng: RandomLike = None
) -> FloatArray:
    """Equally likely days of simple returns given an event, shape (n_samples, n_assets)."""
    rng = as_generator(rng)
    n_drawn = max(n_samples, _LEAST_DRAWS)
    event_in_cube = _cube_event(generator, event)
    draws = draws_given(generator.copula_, event_in_cube, n_drawn, rng=rng, assets=asset_names(generator))
    return generator.marginals_.from_uniform(draws.equal(n_samples, rng))


def _cube_event(generator: ScenarioGenerator, event: Event | str) -> Event:
    parsed = parse_event(event, asset_names(generator)) if isinstance(event, str) else event
    return in_unit_cube(parsed, generator.marginals_)


def weighted_quantile(values: ArrayLike, level: float, probabilities: FloatArray | None = None) -> float:
    """The smallest value at or below which at least `level` of the probability lies; equal weights for None."""
    vector = np.asarray(values, dtype=np.float64)
    order = np.argsort(vector, kind="stable")
    mass = np.full(len(vector), 1.0 / len(vector)) if probabilities is None else probabilities[order]
    place = int(np.searchsorted(np.cumsum(mass), level * (1.0 - 1e-12)))
    return float(vector[order[min(place, len(vector) - 1)]])


def _columns(scenarios: ScenarioSet) -> dict[str, list[float]]:
    weights = scenarios.probabilities
    columns: dict[str, list[float]] = {
        "mean": [float(np.average(column, weights=weights)) for column in scenarios.returns.T]
    }
    for level in QUANTILES:
        columns[f"q{round(100 * level):02d}"] = [
            weighted_quantile(column, level, weights) for column in scenarios.returns.T
        ]
    return columns
