"""What the loop's generator contributes: other machines in its place, all else equal, with screen and moves and bare.

`generator_solvers` at full size; `circuit_solvers` on sixteen assets, where a circuit's amplitudes are few and the
optimum is enumerated.
"""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from qfin._random import stream
from qfin.bench.geo_runs import RunStore, Say, compare, comparison_rows
from qfin.born.bit_mps import BitMPS
from qfin.born.symmetric_mps import SymmetricMPS
from qfin.geo.circuit_generator import CircuitGenerator
from qfin.geo.controls import ProductGenerator, RBMGenerator, TreeGenerator
from qfin.geo.guide import mean_variance_of
from qfin.geo.loop import GEOLoop
from qfin.geo.solver import Solver
from qfin.geo.surrogate import chain_order
from qfin.portfolio import PortfolioProblem, read_instance

# Of an instance for circuits: assets, names held, λ.
_N_ASSETS, _N_HELD, _RISK_WEIGHT = 16, 5, 0.5


def generator_solvers(problem: PortfolioProblem) -> dict[str, Solver]:
    """The same loop with other generators; `ordered` puts correlated assets beside each other on the chain."""
    counts = problem.cardinality
    generators: dict[str, Any] = {
        "symmetric": SymmetricMPS(counts, 2, n_sweeps=1),
        "post-selected": BitMPS(2, n_sweeps=1),
        "product": ProductGenerator(counts),
        "tree": TreeGenerator(counts),
        "rbm": RBMGenerator(counts),
    }
    covariance = mean_variance_of(problem).covariance
    deviation = np.sqrt(np.diag(covariance))
    order = chain_order(covariance / np.outer(deviation, deviation))
    solvers = _in_the_loop(generators)
    for name in ("symmetric", "symmetric, bare"):
        solvers[name.replace("symmetric", "symmetric, ordered")] = replace(solvers[name], order=order)
    return {**solvers}


def circuit_solvers(problem: PortfolioProblem) -> dict[str, Solver]:
    """Circuits of number-conserving gates, mapped from the chain and from scratch, beside chain and product."""
    counts = problem.cardinality
    generators: dict[str, Any] = {
        "symmetric": SymmetricMPS(counts, 2, n_sweeps=1),
        "product": ProductGenerator(counts),
        "circuit, mapped": CircuitGenerator(counts),
        "circuit, from scratch": CircuitGenerator(counts, mapped=False),
    }
    return {**_in_the_loop(generators)}


def _in_the_loop(generators: dict[str, Any]) -> dict[str, GEOLoop]:
    """The loop as shipped around each, then, marked bare, without screen and moves; and what is left without any."""
    solvers = {name: GEOLoop(generator) for name, generator in generators.items()}
    product = generators["product"]
    solvers["moves alone"] = GEOLoop(product, mutation=1.0, exploration=0.0)
    solvers["random alone"] = GEOLoop(product, mutation=0.0, exploration=1.0, neighbourhood=0)
    for name, generator in generators.items():
        solvers[f"{name}, bare"] = GEOLoop(generator, mutation=0.0, screen=None, batch=30)
    return solvers


def small_problem(folder: Path, instance: str) -> tuple[PortfolioProblem, float]:
    """The first assets of an instance, and the least value by enumeration."""
    whole = read_instance(folder / f"{instance}.txt")
    part = slice(_N_ASSETS)
    problem = PortfolioProblem.from_covariance(
        whole.mean[part],
        whole.covariance[part, part],
        risk_weight=_RISK_WEIGHT,
        cardinality=(_N_HELD, _N_HELD),
        bounds=(0.01, 1.0),
    )
    places = np.array(list(combinations(range(_N_ASSETS), _N_HELD)))
    supports = np.zeros((len(places), _N_ASSETS), dtype=bool)
    np.put_along_axis(supports, places, True, axis=1)
    return problem, float(problem.solve(supports).values.min())


def bench_circuits(
    folder: Path,
    instances: tuple[str, ...],
    runs: tuple[tuple[int, ...], int],
    *,
    seed: int = 0,
    store: RunStore | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per instance, budget and generator: gap to the enumerated optimum; `runs` is (budgets, number of seeds)."""
    rows: list[dict[str, Any]] = []
    kept = RunStore() if store is None else store
    for instance in instances:
        problem, least = small_problem(folder, instance)

        def rng_of(place: int, number: int, instance: str = instance) -> np.random.Generator:
            return stream(seed, "bench geo", "circuit", instance, str(number))

        found = compare([(f"{instance} circuit", problem)], circuit_solvers, runs, rng_of, kept, say)
        gaps = (np.stack([found.values[0], found.same_time[0]]) - least) / abs(least)
        names = list(circuit_solvers(problem))
        rows += comparison_rows("circuit", instance, names, runs[0], found, np.where(gaps < 1e-9, 0.0, gaps))
    return {"task": "circuit", "n_assets": _N_ASSETS, "n_held": _N_HELD, "seed": seed, "rows": rows}
