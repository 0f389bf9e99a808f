"""The circuit of a run, gate by gate: where it entangles, and how large the gradient of its likelihood is."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import FloatArray, IntArray
from qfin.basis import HermiteBasis
from qfin.born import CircuitBornMachine
from qfin.experiments.config import load_config
from qfin.experiments.panel import load_market
from qfin.experiments.resources import circuit_generator, circuit_head
from qfin.experiments.run_folder import RunFolder
from qfin.quantum.ansatz import Ansatz

_FILE = "gradients.json"
_DAYS = 512  # of the training days, drawn at random: enough for a variance, and quick


@dataclass(frozen=True, eq=False)
class CircuitView:
    """What is drawn of a circuit.

    Attributes
    ----------
    registers : names of the registers, each of `n_qubits` / len(registers) qubits
    n_qubits : int
    pairs : int array, shape (n_blocks, 2), the qubits of every two-qubit block in order of application
    columns : int array, shape (n_blocks,), the time step of each, as early as its qubits are free
    entangling : array, shape (n_blocks,)
        1 − Σλ⁴ of the operator Schmidt coefficients: 0 for a product of one-qubit gates, 3/4 at most (a swap).
    """

    registers: tuple[str, ...]
    n_qubits: int
    pairs: IntArray
    columns: IntArray
    entangling: FloatArray


def circuit_view(folder: RunFolder) -> CircuitView:
    """The trained circuit of a run; raises `InputError` where it has none."""
    head = circuit_head(folder)
    ansatz = head.ansatz
    return CircuitView(
        tuple(folder.record["mapping"]["assets"]),
        ansatz.n_qubits,
        ansatz.pairs,
        time_steps(ansatz.pairs, ansatz.n_qubits),
        operator_entanglement(ansatz.unitaries(head.params_)),
    )


def time_steps(pairs: IntArray, n_qubits: int) -> IntArray:
    """Step of each block when every block starts as soon as both of its qubits are free, shape (n_blocks,)."""
    free = np.zeros(n_qubits, dtype=int)
    steps = np.empty(len(pairs), dtype=int)
    for place, pair in enumerate(pairs):
        steps[place] = free[pair].max()
        free[pair] = steps[place] + 1
    return steps


def operator_entanglement(unitaries: Any) -> FloatArray:
    """Linear operator entanglement (Zanardi 2001) of two-qubit unitaries (n, 4, 4), shape (n,)."""
    blocks = np.asarray(unitaries).reshape(-1, 2, 2, 2, 2)  # out a, out b, in a, in b
    realigned = blocks.transpose(0, 1, 3, 2, 4).reshape(-1, 4, 4)
    schmidt = np.linalg.svd(realigned, compute_uv=False) / 2.0
    return np.asarray(1.0 - (schmidt**4).sum(axis=1))


def gradient_rows(folder: RunFolder) -> list[dict[str, Any]]:
    """Mean square of the derivatives of the mean log-likelihood by all angles, at three settings of the same gates.

    `start` is kept (the run's circuit), identity or random (blocks from the Haar measure of U(4), seeded); `variance`
    over all angles, `by_block` over the fifteen of each block in order of application. From `_DAYS` training days, in
    double precision. Stored with the run the first time.
    """
    path, created = folder.path / _FILE, folder.record["timings"]["created"]
    stored = json.loads(path.read_text()) if path.is_file() else {}
    if stored.get("created") == created:
        rows: list[dict[str, Any]] = stored["rows"]
        return rows
    rows = _gradient_rows(folder)
    folder.write_json(_FILE, {"created": created, "rows": rows})
    return rows


def _gradient_rows(folder: RunFolder) -> list[dict[str, Any]]:
    from qfin.born.circuit_loss import CircuitLoss
    from qfin.born.starts import Frame, random_start

    seed = int(folder.record["seed"])
    head = circuit_head(folder)
    features = _features(folder, head, seed)
    random, zeros = random_start(Frame(head.ansatz, np.empty((0, 2), dtype=int)), stream(seed, "gradients", "random"))
    plain = Ansatz.identity(head.ansatz.n_qubits, head.ansatz.pairs)
    settings = {
        "kept": (Ansatz(plain.n_qubits, plain.pairs, head.ansatz.unitaries(head.params_)), zeros),
        "identity": (plain, zeros),
        "random": (random, zeros),
    }
    rows = []
    for name, (ansatz, angles) in settings.items():
        _, gradient = CircuitLoss(ansatz, _minus_likelihood, (features,)).value_and_gradient(angles)
        squares = np.square(gradient).reshape(ansatz.n_blocks, -1)
        rows.append({"start": name, "variance": float(squares.mean()), "by_block": squares.mean(axis=1).tolist()})
    return rows


def _minus_likelihood(state: Any, features: Any) -> Any:
    from qfin.quantum.engine import log_ratio

    return -log_ratio(state, features).mean()


def _features(folder: RunFolder, head: CircuitBornMachine, seed: int) -> FloatArray:
    """Hermite features of some training days on the circuit's registers, shape (n_days, n_registers, K)."""
    u = load_market(load_config(folder.path / "config.toml").market).u_train
    copula: Any = circuit_generator(folder).copula_
    days = stream(seed, "gradients", "days").permutation(len(u))[:_DAYS]
    latent = copula.latent(u[days])[:, : head.n_registers_]
    return HermiteBasis(2**head.n_qubits_per_register).features(latent)
