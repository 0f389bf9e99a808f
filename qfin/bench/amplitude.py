"""Crashes by amplitude amplification: the book's worst days from the circuit itself, beside classical Monte Carlo.

A state prepares the assets' joint law on the nodes of their grids. Each outcome is decoded to latent values at its
nodes and on to simple returns; one is marked where the equal-weight book loses more than a limit. Two tasks: draw
such days, and find their probability. Costs are calls, see `qfin.quantum.amplification`; one Monte Carlo draw is one
preparation call.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import BoolArray, FloatArray
from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite
from qfin.bench.grid import currency_panel, pure_machine
from qfin.born import CircuitBornMachine
from qfin.copulas import BornCopula, IndependenceCopula, VineCopula
from qfin.copulas.contract import from_latent
from qfin.exceptions import InputError
from qfin.marginals import MarginalPanel
from qfin.quantum import AerCircuitSampler
from qfin.quantum.amplification import MarkedShots, estimate_probability, monte_carlo_calls, sample_marked
from qfin.scenarios import ScenarioGenerator

Say = Callable[[str], None]
LEVELS = (0.95, 0.99, 0.999)
_MAX_QUBITS = 18
_DRAWS, _CHUNK = 200_000, 16_384


def bench_amplitude(
    machine: CircuitBornMachine,
    generator: ScenarioGenerator,
    *,
    levels: Sequence[float] = LEVELS,
    relative_half_width: float = 0.05,
    n_crashes: int = 500,
    n_extra: int = 0,
    seed: int = 7,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per level of the book's loss and method, and what the nodes' law says beside the exact one.

    Parameters
    ----------
    machine
        The circuit of the first assets.
    generator
        Its marginals and base turn latent values into returns; the book holds the machine's assets in equal weights.
    levels
        The limits are the quantiles of the book's loss on the nodes at these levels.
    relative_half_width
        Of the 95 % interval asked of amplitude estimation, as a share of p.
    """
    n_qubits = machine.n_registers_ * (machine.n_qubits_per_register + n_extra)
    if n_qubits > _MAX_QUBITS:
        raise InputError(f"extra: expected at most {_MAX_QUBITS} qubits for the oracle's table, received {n_qubits}")
    if any(not 0.5 <= level < 1.0 for level in levels):
        raise InputError(f"levels: expected numbers from 0.5 to below 1, received {list(levels)}")
    n_nodes = 2 ** (machine.n_qubits_per_register + n_extra)
    losses, law = node_losses(machine, generator, n_nodes), node_law(machine, n_nodes)
    preparation, sampler = machine.circuit(n_nodes), AerCircuitSampler(method="statevector")
    rows: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    for level in levels:
        limit = _quantile(losses, law, level)
        marked = losses > limit
        p = float(law[marked].sum())
        if p == 0.0:
            raise InputError(f"levels: expected outcomes beyond the level {level}, received none on {n_nodes} nodes")
        task = f"book loss > {100.0 * limit:.2f} %"
        say(f"{task}: p = {p:.5f} on {n_qubits} qubits")
        rng = stream(seed, "amplitude", str(level))
        estimate = estimate_probability(
            preparation, marked, half_width=relative_half_width * p, sampler=sampler, rng=rng
        )
        half_width = (estimate.upper - estimate.lower) / 2.0
        rows.append(
            {
                "task": task,
                "method": "estimate p",
                "p_exact": p,
                "estimate": estimate.estimate,
                "lo": estimate.lower,
                "hi": estimate.upper,
                "oracle_calls": estimate.oracle_calls,
                "preparation_calls": estimate.preparation_calls,
                "mc_calls_equal_error": monte_carlo_calls(p, half_width),
            }
        )
        for method, known in (("draw a crash, p unknown", None), ("draw a crash, p estimated", estimate.estimate)):
            shots = sample_marked(preparation, marked, n_crashes, sampler=sampler, probability=known, rng=rng)
            rows.append({"task": task, "method": method, "p_exact": p} | _per_crash(shots, law, marked))
        facts.append(
            {"task": task, "level": level, "limit": limit, "p_nodes": p} | _continuous(machine, generator, limit, rng)
        )
    return {"seed": seed, "qubits": n_qubits, "nodes": n_nodes, "rows": rows, "levels": facts}


def node_losses(machine: CircuitBornMachine, generator: ScenarioGenerator, n_nodes: int) -> FloatArray:
    """Loss of the equal-weight book of the machine's assets at every outcome, shape (n_nodes**n_registers,)."""
    nodes, n_registers = gauss_hermite(n_nodes)[0], machine.n_registers_
    outcomes = np.stack(np.unravel_index(np.arange(n_nodes**n_registers), (n_nodes,) * n_registers), axis=1)
    return _book_losses(generator, nodes[outcomes])


def node_law(machine: CircuitBornMachine, n_nodes: int) -> FloatArray:
    """Exact probability of every outcome, shape (n_nodes**n_registers,)."""
    transform = HermiteBasis(2**machine.n_qubits_per_register).transform(n_nodes)
    state = machine.statevector().reshape((transform.shape[1],) * machine.n_registers_)
    for _ in range(machine.n_registers_):
        state = np.tensordot(state, transform, axes=((0,), (1,)))
    law: FloatArray = np.abs(state).reshape(-1) ** 2
    return law


def currency_generator(seed: int = 7) -> tuple[CircuitBornMachine, ScenarioGenerator]:
    """Three currencies on the independence copula: the circuit carries the whole dependence of the book."""
    panel = currency_panel()
    machine = pure_machine(seed)
    base = IndependenceCopula().fit(panel.u_train)
    marginals = MarginalPanel().fit(panel.train_returns)
    return machine, ScenarioGenerator.from_parts(marginals, BornCopula.from_parts(base, machine))


def _book_losses(generator: ScenarioGenerator, y: FloatArray) -> FloatArray:
    """Loss of the equal-weight book of the first assets at their latent values y, shape (n,).

    The Rosenblatt transform runs along the assets' own order: what the others are does not change the first.
    """
    copula: Any = generator.copula_
    if isinstance(copula.base_, VineCopula):
        raise InputError("run: expected a base whose order is the assets' own, received a vine")
    latent = np.zeros((len(y), copula.n_assets_))
    latent[:, : y.shape[1]] = y
    losses = np.empty(len(y))
    for first in range(0, len(y), _CHUNK):
        rows = slice(first, first + _CHUNK)
        u = copula.base_.inverse_rosenblatt(from_latent(latent[rows]))
        losses[rows] = -generator.marginals_.from_uniform(u)[:, : y.shape[1]].mean(axis=1)
    return losses


def _quantile(losses: FloatArray, law: FloatArray, level: float) -> float:
    """The smallest loss that is not exceeded with probability `level` at least."""
    order = np.argsort(losses)
    reached = np.searchsorted(np.cumsum(law[order]), level)
    return float(losses[order[min(int(reached), len(order) - 1)]])


def _per_crash(shots: MarkedShots, law: FloatArray, marked: BoolArray) -> dict[str, Any]:
    """Calls per marked draw, Monte Carlo's 1/p, and how far the draws are from the law given a mark."""
    n, p = len(shots.bits), float(law[marked].sum())
    index = shots.bits.astype(np.int64) @ (1 << np.arange(shots.bits.shape[1] - 1, -1, -1))
    exact = law[marked] / p
    frequency = np.bincount(index, minlength=len(law))[marked] / n
    common = exact * n >= 5.0
    error = np.sqrt(exact * (1.0 - exact) / n)
    return {
        "estimate": None,
        "lo": None,
        "hi": None,
        "oracle_calls": shots.oracle_calls / n,
        "preparation_calls": shots.preparation_calls / n,
        "mc_calls_equal_error": 1.0 / p,
        "max_z": float((np.abs(frequency - exact)[common] / error[common]).max()) if common.any() else None,
    }


def _continuous(
    machine: CircuitBornMachine, generator: ScenarioGenerator, limit: float, rng: np.random.Generator
) -> dict[str, float]:
    """P(loss > limit) under the exact density, by draws of the state without a grid, and its standard error."""
    share = float((_book_losses(generator, machine.sample(_DRAWS, rng=rng)) > limit).mean())
    return {"p_without_grid": share, "p_without_grid_se": float(np.sqrt(share * (1.0 - share) / _DRAWS))}


def write_figure(rows: Sequence[dict[str, Any]], path: str | Path) -> Path:
    """The rows as an HTML page of one figure."""
    from qfin.viz.quantum import write_calls_page

    return write_calls_page(rows, path)
