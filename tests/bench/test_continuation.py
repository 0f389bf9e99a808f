"""The continuation bench: intervals with known widths, parameter counts, and all models on a small panel."""

from pathlib import Path

import numpy as np
import pytest

from qfin.bench.continuation import (
    ALL,
    BASE,
    CHAIN,
    COMPARED,
    DISTANT,
    IDENTITY,
    MAPPED,
    MODELS,
    NEIGHBOURS,
    RANDOM,
    TWIN,
    ContinueSettings,
    LatentPanel,
    bench_continue,
    bond_with,
    panel_choices,
    two_way_interval,
)
from qfin.born import CircuitBornMachine, MPSBornMachine
from qfin.exceptions import InputError


def test_interval_of_independent_days_is_the_normal_one() -> None:
    days = np.random.default_rng(1).normal(2.0, 1.0, size=2000)
    mean, lower, upper = two_way_interval(np.tile(days, (5, 1)), np.random.default_rng(2), block_length=1.0)
    assert mean == pytest.approx(days.mean())
    half = 1.96 * days.std() / np.sqrt(2000)
    # a 2.5 % quantile of 1,000 resamples has a standard error of sqrt(.025 · .975/1000)/φ(1.96) = 0.085 sd
    assert abs(upper - mean - half) < 5 * 0.085 * half / 1.96
    assert abs(mean - lower - half) < 5 * 0.085 * half / 1.96


def test_interval_of_equal_days_is_that_of_seeds() -> None:
    seeds = np.random.default_rng(3).normal(size=40)
    mean, lower, upper = two_way_interval(np.tile(seeds[:, None], (1, 50)), np.random.default_rng(4))
    half = 1.96 * seeds.std() / np.sqrt(40)
    assert abs((upper - lower) / 2 - half) < 5 * 0.085 * half / 1.96
    assert lower < mean < upper
    assert two_way_interval(np.full((3, 30), 7.0), np.random.default_rng(5)) == pytest.approx((7.0, 7.0, 7.0))


def test_dependent_days_widen_the_interval() -> None:
    steps = np.random.default_rng(6).normal(size=1500)
    days = np.convolve(steps, np.ones(40), mode="same")[None]
    short = two_way_interval(days, np.random.default_rng(7), block_length=1.0)
    long = two_way_interval(days, np.random.default_rng(7), block_length=100.0)
    assert long[2] - long[1] > 2.0 * (short[2] - short[1])


@pytest.mark.parametrize(("n_params", "n_registers"), [(60, 3), (330, 6), (10_000, 4)])
def test_bond_is_the_smallest_with_as_many_numbers(n_params: int, n_registers: int) -> None:
    def stored(bond: int) -> int:
        ends = [(1, 4, bond), *[(bond, 4, bond)] * (n_registers - 2), (bond, 4, 1)]
        return MPSBornMachine.from_tensors([np.random.default_rng(8).normal(size=s) for s in ends]).n_params_

    bond = bond_with(n_params, n_registers, 4)
    largest = 4 ** (n_registers // 2)
    assert stored(bond) >= n_params or bond == largest
    assert bond == 1 or stored(bond - 1) < n_params


def test_all_models_on_a_small_panel_and_again_from_what_was_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fits = []

    def moved(machine: CircuitBornMachine, y: np.ndarray, y_validation: np.ndarray) -> CircuitBornMachine:
        """Stands for training, which has tests of its own: a small step that the seed decides."""
        fits.append((machine.max_steps, len(y), len(y_validation)))
        machine.params_ = 0.01 * np.random.default_rng(machine.seed).normal(size=machine.ansatz.n_params)
        return machine

    monkeypatch.setattr(CircuitBornMachine, "fit", moved)
    rng = np.random.default_rng(9)
    y = rng.standard_t(5, size=(300, 3)) * np.exp(0.3 * rng.normal(size=(300, 1)))
    panel = LatentPanel("small", y[:200], y[200:], rng.normal(size=100), 4)
    settings = ContinueSettings(max_bond=2, n_layers=1, n_distant=1, chain_steps=100, circuit_steps=20)
    result = bench_continue([panel], n_seeds=2, settings=settings)
    rows = {row["model"]: row for row in result["rows"]}
    assert list(rows) == list(MODELS)
    assert rows[BASE]["loglik"] == pytest.approx(panel.base_days.mean())
    assert rows[MAPPED]["n_params"] == 15 * 5
    assert fits == [(20, 160, 40), (20, 160, 40), (20, 160, 40), (20, 160, 40), (120, 160, 40), (120, 160, 40)] * 2
    added = {NEIGHBOURS: 2, DISTANT: 1, ALL: 3, IDENTITY: 1, RANDOM: 1}
    assert {name: rows[name]["n_params"] for name in added} == {name: 15 * (5 + n) for name, n in added.items()}
    assert rows[TWIN]["n_params"] >= rows[DISTANT]["n_params"] or rows[TWIN]["n_params"] == 96
    assert all(row["loglik_lo"] < row["loglik"] < row["loglik_hi"] and row["n_seeds"] == 2 for row in rows.values())
    assert [(row["model"], row["against"]) for row in result["comparisons"]] == list(COMPARED)
    gap = next(row for row in result["comparisons"] if row["model"] == MAPPED)
    assert gap["diff"] == pytest.approx(rows[MAPPED]["loglik"] - rows[CHAIN]["loglik"])
    # finished seeds are kept: one that is lost is fitted again to the same figures, the other is not
    kept = bench_continue([panel], n_seeds=2, settings=settings, keep=tmp_path / "seeds")
    assert kept == result
    (tmp_path / "seeds" / "small-1.npz").unlink()
    fits.clear()
    assert bench_continue([panel], n_seeds=2, settings=settings, keep=tmp_path / "seeds") == result
    assert len(fits) == 6
    fits.clear()
    assert bench_continue([panel], n_seeds=2, settings=settings, keep=tmp_path / "seeds") == result
    assert not fits
    with pytest.raises(InputError, match="name another folder"):
        bench_continue([panel], n_seeds=2, settings=settings, seed=8, keep=tmp_path / "seeds")


def test_choices_and_seeds_are_checked() -> None:
    assert [choice.market.prices for choice in panel_choices(["fx-usd", "a.csv"])] == ["fx-usd", "a.csv"]
    with pytest.raises(InputError, match="n_seeds"):
        bench_continue([], n_seeds=1)
