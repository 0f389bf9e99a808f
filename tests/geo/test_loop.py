"""The loop and its rivals: enumeration, budgets, boosters, ranges, rules, checkpoints."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qfin.born.bit_mps import BitMPS
from qfin.born.symmetric_mps import SymmetricMPS
from qfin.exceptions import InputError
from qfin.geo.checkpoint import load_checkpoint, save_checkpoint
from qfin.geo.controls import ProductGenerator, TreeGenerator
from qfin.geo.loop import SOURCES, GEOLoop, GEOState
from qfin.geo.moves import all_neighbours, random_neighbours
from qfin.geo.rivals.annealing import SimulatedAnnealing
from qfin.geo.rivals.genetic import GeneticSearch, cross
from qfin.geo.rivals.swap import SwapDescent
from qfin.geo.rivals.tabu import TabuSearch
from qfin.geo.run import GEO, default_solver, optimise
from qfin.geo.solver import new_rows, run_solver
from qfin.geo.surrogate import boltzmann_weights, chain_order
from qfin.portfolio import BlackBox, Budget, Evaluator, Group, PortfolioProblem, random_supports


def small_problem(n_assets: int = 10, cardinality: tuple[int, int] = (4, 4), **rules: object) -> PortfolioProblem:
    """Mean and variance of a factor model, λ = 0.6."""
    rng = np.random.default_rng(5)
    loadings = rng.standard_normal((n_assets, 3))
    covariance = 0.01 * (loadings @ loadings.T + np.diag(0.5 + rng.random(n_assets)))
    mean = 0.02 * rng.standard_normal(n_assets)
    return PortfolioProblem.from_covariance(
        mean, covariance, risk_weight=0.6, cardinality=cardinality, bounds=(0.02, 1.0), **rules
    )


def all_supports(problem: PortfolioProblem) -> np.ndarray:
    rows = np.array(list(itertools.product([False, True], repeat=problem.n_assets)))
    return rows[problem.feasible(rows)]


def evaluator(problem: PortfolioProblem, max_calls: int) -> Evaluator:
    return Evaluator(problem, Budget(max_calls))


def best_value(problem: PortfolioProblem) -> float:
    return float(problem.solve(all_supports(problem)).values.min())


FOUR = (4, 4)
SOLVERS: dict[str, Any] = {
    "symmetric": GEOLoop(SymmetricMPS(FOUR, 2, n_sweeps=1), n_seeds=15),
    "post-selected": GEOLoop(BitMPS(2, n_sweeps=1), n_seeds=15),
    "product": GEOLoop(ProductGenerator(FOUR), n_seeds=15),
    "tree": GEOLoop(TreeGenerator(FOUR), n_seeds=15),
    "guided": GEOLoop(SymmetricMPS(FOUR, 2, n_sweeps=1), n_seeds=5, guided=0.5),
    "bare": GEOLoop(SymmetricMPS(FOUR, 2, n_sweeps=1), n_seeds=30, screen=None),
    "swap": SwapDescent(),
    "annealing": SimulatedAnnealing(),
    "tabu": TabuSearch(sample=10),
    "genetic": GeneticSearch(population=20),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_find_the_optimum_of_a_small_problem_within_the_budget(name: str) -> None:
    problem = small_problem()
    account = evaluator(problem, 160)
    run_solver(SOLVERS[name], account, np.random.default_rng(3))
    assert account.best[1] == pytest.approx(best_value(problem), abs=1e-12)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_budget_is_never_exceeded_and_the_best_never_gets_worse(name: str) -> None:
    account = evaluator(small_problem(), 61)
    seen: list[Any] = []
    run_solver(SOLVERS[name], account, np.random.default_rng(4), on_step=seen.append)
    assert account.n_calls <= 61
    assert [info.n_calls for info in seen] == sorted(info.n_calls for info in seen)
    assert (np.diff([info.best_value for info in seen]) <= 0.0).all()


@pytest.mark.parametrize("name", ["symmetric", "guided", "swap", "annealing", "tabu", "genetic"])
def test_a_run_ends_when_everything_is_known(name: str) -> None:
    problem = small_problem(5, (3, 3))
    solver = SOLVERS[name]
    if isinstance(solver, GEOLoop):
        solver = GEOLoop(SymmetricMPS((3, 3), 2, n_sweeps=1), n_seeds=3, guided=solver.guided)
    account = evaluator(problem, 1000)
    run_solver(solver, account, np.random.default_rng(1))
    assert account.n_calls <= len(all_supports(problem))
    assert account.best[1] == pytest.approx(best_value(problem), abs=1e-12)


def test_a_range_of_counts_with_groups_and_names_to_hold() -> None:
    problem = small_problem(
        10, (2, 4), groups=(Group("g", ("A01", "A02", "A03", "A04"), count=(0, 1)),), must_hold=("A05",)
    )
    account = evaluator(problem, 120)
    run_solver(GEOLoop(SymmetricMPS((2, 4), 2, n_sweeps=1)), account, np.random.default_rng(2))
    assert account.best[1] == pytest.approx(best_value(problem), abs=1e-12)


def test_the_booster_starts_from_the_given_supports_and_says_who_found_the_best() -> None:
    problem = small_problem()
    seeds = random_supports(problem, 8, np.random.default_rng(9))
    account = evaluator(problem, 80)
    found: list[str | None] = []
    solver = GEOLoop(SymmetricMPS(FOUR, 2, n_sweeps=1), seeds=seeds, n_seeds=8)
    run_solver(solver, account, np.random.default_rng(2), on_step=lambda info: found.append(info.found_by))
    assert (account.pool()[0][:8] == seeds).all()
    assert set(found) - {None} <= set(SOURCES[1:])
    assert any(found)


def test_the_neighbours_of_the_best_are_candidates_where_a_screen_ranks_them() -> None:
    """With nothing but random candidates, all that is evaluated in a step lies one exchange from the best by far."""
    problem = small_problem(30, (4, 4))
    shares = {}
    for neighbourhood in (0, 1):
        alone = GEOLoop(ProductGenerator(FOUR), mutation=0.0, exploration=1.0, oversampling=1)
        solver = replace(alone, neighbourhood=neighbourhood)
        account = evaluator(problem, 25)
        state = solver.init(account, np.random.default_rng(6))
        best, _ = account.best
        solver.step(state, account, np.random.default_rng(7))
        shares[neighbourhood] = np.mean((account.pool()[0][20:] & best).sum(axis=1) == 3)
    assert shares[1] == 1.0
    assert shares[0] < 0.5


def test_patience_ends_a_run() -> None:
    account = evaluator(small_problem(), 210)
    solver = GEOLoop(SymmetricMPS(FOUR, 2, n_sweeps=1), n_seeds=10, batch=5)
    run_solver(solver, account, np.random.default_rng(2), patience=30)
    assert account.n_calls < 150
    assert account.n_calls - account.history[0][-1] >= 30


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    problem, solver = small_problem(), SOLVERS["symmetric"]
    whole, rng = evaluator(problem, 90), np.random.default_rng(11)
    run_solver(solver, whole, rng)

    first, rng_first = evaluator(problem, 90), np.random.default_rng(11)
    state = solver.init(first, rng_first)
    for _ in range(3):
        state, _ = solver.step(state, first, rng_first)
    save_checkpoint(tmp_path / "run.npz", state, first, rng_first)

    second = evaluator(problem, 90)
    state, rng_second = load_checkpoint(tmp_path / "run.npz", GEOState.from_arrays, second)
    assert state.n_steps == 3
    run_solver(solver, second, rng_second, state=state)
    for mine, other in zip(second.pool(), whole.pool(), strict=True):
        assert (mine == other).all()
    assert rng_second.bit_generator.state == rng.bit_generator.state


def test_optimise_resumes_from_its_checkpoint_and_says_who_found_the_portfolio(tmp_path: Path) -> None:
    problem = small_problem()
    whole = optimise(problem, budget=70, rng=5)
    file = tmp_path / "run.npz"
    optimise(problem, budget=50, rng=5, checkpoint=file)
    resumed = optimise(problem, budget=70, rng=99, checkpoint=file)
    assert resumed.value == whole.value == pytest.approx(best_value(problem), abs=1e-12)
    assert resumed.n_calls == 70
    assert resumed.found_by in SOURCES
    assert resumed.weights.sum() == pytest.approx(1.0)
    assert (resumed.support == (resumed.weights > 0.0)).all()


def test_the_default_solver_uses_seeds_gradient_and_relaxation_where_there_are_any() -> None:
    problem = small_problem()
    seeds = random_supports(problem, 3, np.random.default_rng(0))
    boosted = default_solver(problem, seeds=seeds)
    assert boosted.guided > 0.0
    assert boosted.seeds is not None
    assert (boosted.seeds[1:] == seeds).all()
    blind = PortfolioProblem(
        problem.assets, BlackBox(lambda rows: rows[:, 0].astype(float), problem.n_assets), problem.cardinality
    )
    assert default_solver(blind).guided == 0.0
    assert optimise(blind, budget=60, rng=1).value == 0.0


def test_one_line_searches_a_problem_with_any_generator_and_seeds() -> None:
    problem = small_problem()
    assert GEO(problem).run(budget=120, rng=1).value == pytest.approx(best_value(problem), abs=1e-12)
    best = all_supports(problem)[[int(problem.solve(all_supports(problem)).values.argmin())]]
    boosted = GEO(problem, generator=ProductGenerator(FOUR), seeds=best).run(budget=20, rng=1)
    assert boosted.found_by == "seeds"
    assert boosted.value == pytest.approx(best_value(problem), abs=1e-12)
    assert boosted.n_calls == 20


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"no")
    with pytest.raises(InputError, match="checkpoint"):
        load_checkpoint(tmp_path / "x.npz", GEOState.from_arrays, evaluator(small_problem(), 10))


def test_moves_stay_within_the_count_and_change_one_name() -> None:
    problem = small_problem(8, (2, 4))
    rng = np.random.default_rng(0)
    supports = random_supports(problem, 300, rng)
    moved = random_neighbours(problem, supports, rng)
    assert problem.feasible(moved).all()
    assert set((moved ^ supports).sum(axis=1)) == {1, 2}
    full = np.ones((20, 8), dtype=bool)
    assert (random_neighbours(small_problem(8, (7, 8)), full, rng).sum(axis=1) == 7).any()


def test_all_neighbours_against_enumeration() -> None:
    problem = small_problem(7, (3, 4))
    support = all_supports(problem)[5]
    every = all_supports(problem)
    apart = (every ^ support).sum(axis=1)
    same_size = every.sum(axis=1) == support.sum()
    expected = every[(apart == 1) | ((apart == 2) & same_size)]
    found = all_neighbours(problem, support)
    assert {row.tobytes() for row in found} == {row.tobytes() for row in expected}
    assert len(found) == len(expected)


def test_children_keep_what_parents_share_and_their_count() -> None:
    rng = np.random.default_rng(0)
    parents = random_supports(small_problem(), 40, rng).reshape(2, 20, 10)
    children = cross(parents, rng)
    assert (children.sum(axis=2) == 4).all()
    assert (children[:, parents[0] & parents[1]]).all()
    assert not children[:, ~(parents[0] | parents[1])].any()


def test_new_rows_are_feasible_unknown_and_different() -> None:
    problem = small_problem()
    account = evaluator(problem, 10)
    rows = random_supports(problem, 3, np.random.default_rng(0))
    account(rows[:1])
    none = np.zeros((1, 10), dtype=bool)
    assert new_rows(account, np.concatenate([rows, none, rows[1:]])).tolist() == [1, 2]


def test_boltzmann_weights() -> None:
    values = np.array([0.0, 1.0, 2.0])
    weights = boltzmann_weights(values, 0.5)
    spread = values.std()
    np.testing.assert_allclose(weights[0] / weights[1], np.exp(1.0 / (0.5 * spread)))
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(boltzmann_weights(np.ones(4), 1.0), 0.25)
    with pytest.raises(InputError, match="temperature"):
        boltzmann_weights(values, 0.0)


def test_correlated_assets_come_to_lie_beside_each_other() -> None:
    correlation = np.eye(6)
    for i, j in [(0, 3), (1, 5), (2, 4)]:
        correlation[i, j] = correlation[j, i] = 0.9
    order = chain_order(correlation).tolist()
    assert sorted(order) == list(range(6))
    assert all(abs(order.index(i) - order.index(j)) == 1 for i, j in [(0, 3), (1, 5), (2, 4)])


def test_the_order_of_the_chain_changes_the_draws_not_the_assets() -> None:
    problem = small_problem()
    account = evaluator(problem, 120)
    solver = GEOLoop(SymmetricMPS(FOUR, 2, n_sweeps=1), n_seeds=15, order=np.arange(10)[::-1])
    run_solver(solver, account, np.random.default_rng(3))
    assert account.best[1] == pytest.approx(best_value(problem), abs=1e-12)


def test_supports_without_weights_are_counted_and_left_out_of_the_surrogate() -> None:
    problem = PortfolioProblem.from_covariance(
        np.linspace(0.0, 0.1, 8), np.eye(8), target_return=0.06, cardinality=(2, 2), bounds=(0.1, 0.9)
    )
    account = evaluator(problem, 28)
    run_solver(GEOLoop(SymmetricMPS((2, 2), 2, n_sweeps=1), n_seeds=6, batch=4), account, np.random.default_rng(0))
    values = account.pool()[1]
    assert np.isinf(values).any()
    assert account.best[1] == pytest.approx(best_value(problem), abs=1e-12)


def test_a_pool_without_any_weights_is_searched_at_random() -> None:
    """Every support but one is refused by the objective; the loop goes on until it has met that one."""
    problem = small_problem(6, (3, 3))
    wanted = np.array([True, False, True, False, True, False])
    blind = PortfolioProblem(
        problem.assets, BlackBox(lambda rows: np.where((rows == wanted).all(axis=1), 0.0, np.inf), 6), (3, 3)
    )
    account = evaluator(blind, 20)
    run_solver(GEOLoop(SymmetricMPS((3, 3), 2, n_sweeps=1), n_seeds=2, batch=3), account, np.random.default_rng(1))
    assert account.best[1] == 0.0
    assert (account.best[0] == wanted).all()
