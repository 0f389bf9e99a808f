"""Stress of a fitted generator: events in returns, weights in the scenario set, tables beside the model's own draws."""

import numpy as np
import pandas as pd
import pytest

from qfin.born import MPSBornMachine
from qfin.copulas import BornCopula, IndependenceCopula, StudentTCopula
from qfin.exceptions import InputError
from qfin.scenarios import (
    HistoricalGenerator,
    LinearEvent,
    ReturnInterval,
    ScenarioGenerator,
    baseline_scenarios,
    in_unit_cube,
    stress_scenarios,
)
from qfin.scenarios.stress import weighted_quantile

ASSETS = ["AAA", "BBB", "CCC"]


def machine(scale: float) -> MPSBornMachine:
    rng = np.random.default_rng(3)
    tensors = [rng.standard_normal(shape) * scale for shape in ((1, 4, 2), (2, 4, 2), (2, 4, 1))]
    for tensor in tensors:
        tensor[0, 0, 0] += 1.0
    return MPSBornMachine.from_tensors(tensors)


@pytest.fixture(scope="module")
def days() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    normal = rng.multivariate_normal(np.zeros(3), 0.4 * np.eye(3) + 0.6, size=2_000)
    return pd.DataFrame(0.01 * normal / np.sqrt(rng.chisquare(5, (2_000, 1)) / 5), columns=ASSETS)


@pytest.fixture(scope="module")
def generators(days: pd.DataFrame) -> dict[str, ScenarioGenerator]:
    plain = ScenarioGenerator(copula=StudentTCopula(5.0)).fit(days)
    born = BornCopula.from_parts(plain.copula_, machine(0.08))
    pure = BornCopula.from_parts(IndependenceCopula().fit(np.full((2, 3), 0.5)), machine(0.3))
    return {
        name: ScenarioGenerator.from_parts(plain.marginals_, copula)
        for name, copula in {"student_t": plain.copula_, "born": born, "pure": pure}.items()
    }


EVENTS = {
    "AAA < -1% and (BBB < -1% or CCC > 0.5%)": lambda r: (r[:, 0] < -0.01) & ((r[:, 1] < -0.01) | (r[:, 2] > 0.005)),
    "q(AAA) < 10% or not -1% < BBB < 1%": None,
    "book < -1%": lambda r: r.mean(1) < -0.01,
    "book > 0.5% and CCC < 0": lambda r: (r.mean(1) > 0.005) & (r[:, 2] < 0.0),
}


@pytest.mark.parametrize("name", ["student_t", "born", "pure"])
@pytest.mark.parametrize("text", EVENTS)
def test_scenarios_equal_rejection(name: str, text: str, generators: dict[str, ScenarioGenerator]) -> None:
    generator = generators[name]
    result = stress_scenarios(generator, text, 6_000, rng=1)
    free = generator.sample(300_000, rng=2)
    condition = EVENTS[text]
    if condition is None:
        limit = generator.marginals_.marginals_[0].ppf(np.array(0.1))
        condition = lambda r: (r[:, 0] < limit) | ~((r[:, 1] > -0.01) & (r[:, 1] < 0.01))  # noqa: E731
    inside = free[condition(free)]
    share = len(inside) / len(free)
    likelihood, given = result.likelihood, result.scenarios
    error = np.hypot(likelihood.standard_error, np.sqrt(share * (1 - share) / len(free)))
    assert abs(likelihood.probability - share) < 5 * error
    assert likelihood.exact == (name == "pure" and "book" not in text)
    assert condition(given.returns).all()
    weights = np.full(len(given), 1 / len(given)) if given.probabilities is None else given.probabilities
    for row, column, oracle in zip(result.asset_rows(), given.returns.T, inside.T, strict=True):
        spread = np.sqrt(weights**2 @ (column - row["mean"]) ** 2 + oracle.var() / len(oracle))
        assert abs(row["mean"] - oracle.mean()) < 5 * spread
        for key, level in (("q05", 0.05), ("q50", 0.5), ("q95", 0.95)):
            below = (oracle < row[key]).mean()
            assert abs(below - level) < 5 * np.sqrt(level * (1 - level) * ((weights**2).sum() + 1 / len(oracle)))


def test_rows_show_the_model_without_the_event(generators: dict[str, ScenarioGenerator]) -> None:
    result = stress_scenarios(generators["born"], "AAA < -1%", 4_000, rng=5)
    assert len(result.baseline) == len(result.scenarios) == 4_000
    for row, column in zip(result.asset_rows(), result.baseline.returns.T, strict=True):
        assert row["mean_before"] == pytest.approx(column.mean())
        assert row["q50_before"] == pytest.approx(np.quantile(column, 0.5), abs=1e-3)
    assert result.scenarios.provenance["event"] == "AAA < -1%"
    assert result.scenarios.provenance["event_probability"] == result.likelihood.probability
    assert result.scenarios.provenance["seed"] == 5
    assert result.warning is None


def test_the_days_without_the_event_are_the_same_for_every_event_of_a_seed(
    generators: dict[str, ScenarioGenerator],
) -> None:
    first = stress_scenarios(generators["born"], "AAA < -1%", 500, rng=5)
    other = stress_scenarios(generators["born"], "BBB > 1%", 500, rng=5)
    kept = baseline_scenarios(generators["born"], 500, rng=5)
    for same in (other.baseline, kept):
        np.testing.assert_array_equal(same.returns, first.baseline.returns)
        assert same.provenance["seed"] == 5
    spared = stress_scenarios(generators["born"], "AAA < -1%", 500, rng=5, baseline=kept)
    np.testing.assert_array_equal(spared.scenarios.returns, first.scenarios.returns)
    elsewhere = stress_scenarios(generators["born"], "AAA < -1%", 500, rng=6)
    assert not np.array_equal(elsewhere.baseline.returns, first.baseline.returns)
    rng = np.random.default_rng(5)
    twice = [stress_scenarios(generators["born"], "AAA < -1%", 500, rng=rng).baseline.returns for _ in range(2)]
    assert not np.array_equal(*twice)


def test_few_effective_draws_are_said(generators: dict[str, ScenarioGenerator]) -> None:
    result = stress_scenarios(generators["born"], "AAA < -1%", 1_000, rng=6)
    probabilities = np.full(1_000, 1e-5)
    probabilities[0] = 1.0 - probabilities[1:].sum()
    poor = type(result.scenarios)(result.scenarios.returns, tuple(ASSETS), probabilities)
    warned = type(result)(result.event, result.likelihood, poor, result.baseline)
    assert "effective sample size 1 of 1,000 draws" in str(warned.warning)


def test_events_as_objects_and_weights(generators: dict[str, ScenarioGenerator]) -> None:
    generator = generators["born"]
    event = LinearEvent(0.01, (1.0, 0.0, 0.0)) & ReturnInterval(2, lower=0.0)
    given = stress_scenarios(generator, event, 500, rng=7).scenarios
    assert (given.returns[:, 0] < -0.01).all()
    assert (given.returns[:, 2] > 0.0).all()
    same = generator.sample(500, rng=8, given=event)
    assert same.shape == (500, 3)
    assert (same[:, 0] < -0.01).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g: stress_scenarios(g["born"], "AAA < -5% and AAA > 0", 10), "contradicts itself"),
        (lambda g: stress_scenarios(g["born"], LinearEvent(0.01, (1.0,)), 10), "expected 3 weights, received 1"),
        (lambda g: stress_scenarios(g["born"], "AAA < 0", 0), "expected a whole number of at least 1"),
        (lambda g: in_unit_cube(ReturnInterval("ZZZ"), g["born"].marginals_), "received 'ZZZ'"),
        (lambda g: ReturnInterval("AAA", 0.1, -0.1), "expected lower <= upper"),
    ],
)
def test_wrong_input_is_refused(make: object, message: str, generators: dict[str, ScenarioGenerator]) -> None:
    with pytest.raises(InputError, match=message):
        make(generators)  # type: ignore[operator]


def test_history_has_no_copula(days: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="expected a model with a copula, received HistoricalGenerator"):
        stress_scenarios(HistoricalGenerator().fit(days), "AAA < 0", 10)  # type: ignore[arg-type]


def test_weighted_quantiles() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.3, 0.5])
    assert [weighted_quantile(values, level, weights) for level in (0.3, 0.31, 0.8, 0.81)] == [1.0, 2.0, 2.0, 3.0]
    assert weighted_quantile(values, 0.5) == 2.0
