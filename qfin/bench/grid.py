"""Sampling on a finer grid: the same trained state, e more qubits per register at the measurement, no retraining.

A register of m qubits measured on 2^{m+e} Gauss–Hermite nodes is decoded cell by cell (`qfin.born.decoding`): the
density of the draws is |Ψ|² read at the node of each cell, times φ. Its distance to |Ψ(y)|² φ(y) is the error shown
here. The cells narrow as 2^{−e/2}, and the total variation with them; errors of single numbers, such as a tail's
probability, fall faster on average and not at every step, for they depend on where an edge lies.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from qfin._random import integer_seed, stream
from qfin._types import FloatArray
from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite, normal_density
from qfin.born import CircuitBornMachine, MPSBornMachine, map_mps_to_circuit
from qfin.born.decoding import cell_edges
from qfin.copulas import BornCopula, IndependenceCopula
from qfin.exceptions import InputError
from qfin.experiments.config import MarketConfig
from qfin.experiments.panel import Panel, load_market
from qfin.quantum import AerCircuitSampler
from qfin.quantum.measurement import node_indices

Say = Callable[[str], None]
EXTRAS = (0, 1, 2, 3)
CURRENCIES = ("EURUSD", "GBPUSD", "AUDUSD")
_TAIL = float(ndtri(0.05))


def bench_grid(
    machines: dict[str, CircuitBornMachine],
    extras: Sequence[int] = EXTRAS,
    *,
    n_draws: int = 100_000,
    shots: int = 20_000,
    seed: int = 7,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per state and number e of extra qubits per register.

    `tv` is the total variation between the density of decoded shots and the exact one, by Monte Carlo with standard
    error `tv_se` and the same points for every e; `tail_error` and `correlation_error` are means over all pairs of
    registers, exact, of the relative error of P(both y < −1.645) and of the absolute error of the correlation. `max_z`
    is the largest deviation, in standard errors, of the frequency of a register's node on Aer from its exact
    probability.
    """
    if not extras or min(extras) < 0 or max(extras) > 5:
        raise InputError(f"extra: expected numbers from 0 to 5, received {', '.join(map(str, extras))}")
    rows = []
    for name, machine in machines.items():
        points = _points(machine, n_draws, stream(seed, "grid", name, "points"))
        for extra in extras:
            n_nodes = 2 ** (machine.n_qubits_per_register + extra)
            say(f"{name}: {n_nodes} nodes an asset")
            row: dict[str, Any] = {
                "state": name,
                "extra": extra,
                "nodes": n_nodes,
                "qubits": machine.n_registers_ * (machine.n_qubits_per_register + extra),
            }
            row |= _total_variation(machine, points, n_nodes) | _pair_errors(machine, n_nodes)
            rng = stream(seed, "grid", name, "shots", str(extra))
            rows.append(row | {"shots": shots, "max_z": _shots_deviation(machine, n_nodes, shots, rng)})
    return {"seed": seed, "rows": rows}


def currency_panel() -> Panel:
    """Three currencies against the dollar to the end of 2012."""
    return load_market(MarketConfig("fx-usd", train_end="2012-12-31", assets=CURRENCIES))


def pure_machine(seed: int = 7, *, max_steps: int = 400) -> CircuitBornMachine:
    """Their circuit on the independence copula, where Ψ carries the whole dependence."""
    u = currency_panel().u_train
    y = BornCopula.from_parts(IndependenceCopula().fit(u), None).latent(u)
    chain_seed = integer_seed(stream(seed, "grid", "mps"))
    chain = MPSBornMachine(8, 8, max_steps=max_steps, learning_rate=2e-3, seed=chain_seed).fit(y)
    return CircuitBornMachine.from_ansatz(map_mps_to_circuit(chain.tensors_, 3).ansatz, 3)


def _points(machine: CircuitBornMachine, n_draws: int, rng: np.random.Generator) -> FloatArray:
    """Half the points from the machine, half from φ: neither density is missed where the other is thin."""
    normal = rng.standard_normal((n_draws // 2, machine.n_registers_))
    return np.concatenate([machine.sample(n_draws - len(normal), rng=rng), normal])


def _total_variation(machine: CircuitBornMachine, points: FloatArray, n_nodes: int) -> dict[str, float]:
    """½ ∫ |p_decoded − p| dy by importance sampling from (p + φ)/2."""
    exact = np.exp(machine.log_ratio(points))
    cells = np.searchsorted(cell_edges(n_nodes)[1:-1], points)
    decoded = np.exp(machine.log_ratio(gauss_hermite(n_nodes)[0][cells]))
    values = np.abs(decoded - exact) / (1.0 + exact)
    return {"tv": float(values.mean()), "tv_se": float(values.std(ddof=1) / np.sqrt(len(values)))}


def _pair_errors(machine: CircuitBornMachine, n_nodes: int) -> dict[str, float]:
    """Errors of a joint tail and of the correlation, from one-register operators of both densities."""
    basis = HermiteBasis(2**machine.n_qubits_per_register)
    state = machine.statevector().reshape((basis.n_functions,) * machine.n_registers_)
    exact, decoded = _operators(basis), _decoded_operators(basis, n_nodes)
    tail, correlation = [], []
    for i in range(machine.n_registers_):
        for j in range(i):
            true, drawn = (_pair_statistics(state, operators, i, j) for operators in (exact, decoded))
            tail.append(abs(drawn[0] / true[0] - 1.0))
            correlation.append(abs(drawn[1] - true[1]))
    return {"tail_error": float(np.mean(tail)), "correlation_error": float(np.mean(correlation))}


def _operators(basis: HermiteBasis) -> dict[str, FloatArray]:
    """Matrices of 1{y < −1.645}, y and y² between Hermite functions, under the exact density."""
    nodes = gauss_hermite(basis.n_functions + 1)[0]  # exact for polynomials up to degree 2K + 1
    transform = basis.transform(len(nodes))
    moments = {"y": (transform.T * nodes) @ transform, "y2": (transform.T * nodes**2) @ transform}
    return moments | {"tail": basis.gram(-np.inf, _TAIL)}


def _decoded_operators(basis: HermiteBasis, n_nodes: int) -> dict[str, FloatArray]:
    """The same under the density of decoded shots: each cell's share below the limit, mean and mean square under φ."""
    edges, weights = cell_edges(n_nodes), gauss_hermite(n_nodes)[1]
    density, bounded = normal_density(edges), np.where(np.isfinite(edges), edges, 0.0)
    below = np.clip((ndtr(_TAIL) - ndtr(edges[:-1])) / weights, 0.0, 1.0)
    means = -np.diff(density) / weights
    squares = 1.0 - np.diff(bounded * density) / weights
    transform = basis.transform(n_nodes)
    return {
        name: (transform.T * values) @ transform for name, values in (("tail", below), ("y", means), ("y2", squares))
    }


def _pair_statistics(state: Any, operators: dict[str, FloatArray], i: int, j: int) -> tuple[float, float]:
    """P(y_i and y_j in the tail) and their correlation."""

    def mean(**at: str) -> float:
        moved = state
        for register, name in ((i, at.get("i")), (j, at.get("j"))):
            if name is not None:
                moved = np.moveaxis(np.tensordot(operators[name], moved, axes=(1, register)), 0, register)
        return float(np.vdot(state, moved).real)

    first, second = mean(i="y"), mean(j="y")
    spread = (mean(i="y2") - first**2) * (mean(j="y2") - second**2)
    return mean(i="tail", j="tail"), (mean(i="y", j="y") - first * second) / float(np.sqrt(spread))


def _shots_deviation(machine: CircuitBornMachine, n_nodes: int, shots: int, rng: np.random.Generator) -> float:
    """Largest |frequency − probability| of a register's node in standard errors; rare nodes are left out."""
    sampler = AerCircuitSampler(method="matrix_product_state")
    nodes = node_indices(sampler.sample(machine.circuit(n_nodes), shots, rng=rng), machine.n_registers_)
    basis = HermiteBasis(2**machine.n_qubits_per_register)
    state = machine.statevector().reshape((basis.n_functions,) * machine.n_registers_)
    worst = 0.0
    for register in range(machine.n_registers_):
        amplitudes = np.tensordot(basis.transform(n_nodes), state, axes=(1, register)).reshape(n_nodes, -1)
        exact = (np.abs(amplitudes) ** 2).sum(axis=1)
        frequency = np.bincount(nodes[:, register], minlength=n_nodes) / shots
        common = exact * shots >= 10.0
        error = np.sqrt(exact[common] * (1.0 - exact[common]) / shots)
        worst = max(worst, float((np.abs(frequency - exact)[common] / error).max()))
    return worst


def write_figure(rows: Sequence[dict[str, Any]], path: str | Path) -> Path:
    """The rows as an HTML page of one figure."""
    from qfin.viz.quantum import write_grid_page

    return write_grid_page(rows, path)
