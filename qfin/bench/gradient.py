"""Exact gradient of KL(target‖circuit) through SU(4) brickwork: qfin's engine beside its peers.

One problem for all: random blocks of fifteen rotations each, a random target distribution, the gradient by all angles.
Peers apply the rotations one by one and differentiate them; qfin applies each block as one unitary U0·exp(iΣθP) and
differentiates θ at zero. The derivatives along the rotations are linear in those along θ, so that all gradients are
compared number by number (`gradient_error`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import AnyArray, ComplexArray, FloatArray, IntArray
from qfin.bench._environments import Deadline, Environment, PeerUnavailableError, run_peer, throwaway_environment
from qfin.exceptions import InputError
from qfin.quantum.ansatz import PAULI_LABELS, PAULIS, Ansatz

N_LAYERS = 8
Say = Callable[[str], None]
_FLOOR = 1e-30
_MAX_QUBITS = 24
_CASE_S = 90.0  # for one peer, size, precision and number of threads
_PAULI = dict(zip(PAULI_LABELS, PAULIS, strict=True))
ROTATIONS = (
    *("ZI", "YI", "ZI", "IZ", "IY", "IZ"),
    *("XX", "YY", "ZZ"),
    *("ZI", "YI", "ZI", "IZ", "IY", "IZ"),
)
"""The fifteen rotations exp(−iθP/2) of a block, in order of application."""


@dataclass(frozen=True)
class Peer:
    """A library, what to install for it, the precisions it has, and the numbers of threads to try."""

    engine: str
    script: str
    requirements: tuple[str, ...]
    dtypes: tuple[str, ...]
    threads: tuple[str, ...] = ("default", "1")


PEERS = (
    Peer(
        "PennyLane-Lightning, adjoint",
        "lightning_adjoint",
        ("pennylane==0.45.1", "pennylane-lightning==0.45.0"),
        ("complex64", "complex128"),
    ),
    Peer("Qulacs, back propagation", "qulacs_backprop", ("qulacs==0.6.14",), ("complex128",)),
    Peer(
        "Aer, parameter shift (estimated)",
        "aer_shift",
        ("qiskit==2.6.2", "qiskit-aer==0.18.2"),
        ("complex64", "complex128"),
    ),
)


@dataclass(frozen=True)
class Problem:
    """Random blocks on a brickwork of pairs and a random target; `jacobian[b, j, p]` = ∂θ_p/∂angle_j of block b."""

    ansatz: Ansatz
    angles: FloatArray
    jacobian: FloatArray
    target: FloatArray

    def along_rotations(self, gradient: FloatArray) -> FloatArray:
        """The gradient by θ at zero, as the gradient by the rotations' angles; both (n_params,)."""
        by_block = gradient.reshape(len(self.jacobian), 1, -1)
        return np.asarray((by_block * self.jacobian).sum(-1).reshape(-1))


def brickwork(n_qubits: int, n_layers: int = N_LAYERS) -> IntArray:
    """Pairs of neighbours, even and odd ones in turn, shape (n_blocks, 2)."""
    pairs = [(i, i + 1) for layer in range(n_layers) for i in range(layer % 2, n_qubits - 1, 2)]
    return np.array(pairs, dtype=np.int64)


def block_of_rotations(angles: FloatArray) -> tuple[ComplexArray, FloatArray]:
    """The unitary of fifteen rotations and its Jacobian (15, 15): ∂U/∂angle_j = U · iΣ_p jacobian[j, p] P_p."""
    generators = np.stack([_PAULI[label] for label in ROTATIONS])
    half = np.asarray(angles)[:, None, None] / 2.0
    factors = np.cos(half) * np.eye(4) - 1j * np.sin(half) * generators
    before, jacobian = np.eye(4, dtype=complex), np.empty((len(ROTATIONS), len(PAULIS)))
    for j, (factor, generator) in enumerate(zip(factors, generators, strict=True)):
        # U = A · factor · before, so U† ∂U = before† (−iP/2) before: the rotation commutes with its own generator
        turned = before.conj().T @ (-0.5 * generator) @ before
        jacobian[j] = np.einsum("pab,ba->p", PAULIS, turned).real / 4.0
        before = factor @ before
    return before, jacobian


def random_problem(n_qubits: int, seed: int) -> Problem:
    """Uniform angles and exponential weights normalised to one: a target as rough as a random state's."""
    rng = stream(seed, "bench", "gradient", str(n_qubits))
    pairs = brickwork(n_qubits)
    angles = rng.uniform(-np.pi, np.pi, (len(pairs), len(ROTATIONS)))
    blocks = [block_of_rotations(row) for row in angles]
    target = rng.exponential(size=2**n_qubits)
    return Problem(
        Ansatz(n_qubits, pairs, np.stack([unitary for unitary, _ in blocks])),
        angles,
        np.stack([jacobian for _, jacobian in blocks]),
        target / target.sum(),
    )


def bench_gradient(
    qubits: Sequence[int] = (12, 16, 20),
    *,
    peers: Sequence[Peer] = PEERS,
    limit_s: float = 480.0,
    seed: int = 7,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows of every engine, size and precision, the bounds of qfin's own rows, and what was skipped and why.

    Parameters
    ----------
    qubits : sizes of the state, 8 layers of SU(4) brickwork each.
    peers : measured one after another, each in an environment of its own that is removed afterwards.
    limit_s : seconds for everything; what does not fit is skipped and said.
    say : called with a line before each piece of work.
    """
    for n_qubits in qubits:
        if not 2 <= n_qubits <= _MAX_QUBITS:
            raise InputError(f"qubits: expected 2 to {_MAX_QUBITS}, received {n_qubits}")
    deadline = Deadline(limit_s)
    problems = {n_qubits: random_problem(n_qubits, seed) for n_qubits in qubits}
    rows, bounds, exact = [], [], {}
    for n_qubits, problem in problems.items():
        for dtype in ("complex64", "complex128"):
            say(f"qfin: {n_qubits} qubits, {dtype}")
            row, gradient = _own_row(problem, dtype)
            exact[n_qubits] = problem.along_rotations(gradient)
            rows.append(row)
            bounds.append(bound_row(problem.ansatz, dtype, row["step_s"]))
    skipped: list[dict[str, str]] = []
    measurement = _Measurement(problems, exact, deadline, skipped, say)
    for peer in peers:
        try:
            say(f"{peer.engine}: installing {', '.join(peer.requirements)}")
            with throwaway_environment(peer.requirements, deadline) as environment:
                rows += measurement.peer_rows(peer, environment)
        except PeerUnavailableError as error:
            skipped.append({"engine": peer.engine, "reason": str(error)})
    _add_ratios(rows)
    return {"rows": sorted(rows, key=lambda row: row["qubits"]), "bounds": bounds, "skipped": skipped}


def engine_step(problem: Problem, dtype: str) -> Callable[[], tuple[float, FloatArray]]:
    """A function that takes one step: loss and gradient by θ at zero, shape (n_params,)."""
    import jax
    import jax.numpy as jnp

    from qfin.quantum.engine import ansatz_plan, circuit_state, precision

    real = np.empty(0, dtype).real.dtype
    plan = ansatz_plan(problem.ansatz)

    def loss(params: Any, fixed: Any, target: Any) -> Any:
        state = circuit_state(plan, params, fixed)
        return -(target @ jnp.log(jnp.maximum(state.real**2 + state.imag**2, _FLOOR)))

    compiled = jax.jit(jax.value_and_grad(loss))
    with precision(dtype):
        arguments = (
            jnp.zeros(problem.ansatz.n_params, real),
            jnp.asarray(problem.ansatz.fixed, dtype),
            jnp.asarray(problem.target, real),
        )

    def step() -> tuple[float, FloatArray]:
        with precision(dtype):
            value, gradient = compiled(*arguments)
            return float(value), np.asarray(gradient, dtype=np.float64)

    return step


def _own_row(problem: Problem, dtype: str) -> tuple[dict[str, Any], FloatArray]:
    from qfin.bench.peers.harness import timed

    (_, gradient), seconds = timed(engine_step(problem, dtype), {"max_steps": 15, "budget_s": 5.0})
    return _row("qfin", problem, dtype, seconds) | {"threads": "default", "gradient_error": 0.0}, gradient


@dataclass(frozen=True)
class _Measurement:
    """What the rows of all peers share: problems, our gradients by size, the time left, and where skips are noted."""

    problems: dict[int, Problem]
    exact: dict[int, FloatArray]
    deadline: Deadline
    skipped: list[dict[str, str]]
    say: Say

    def peer_rows(self, peer: Peer, environment: Environment) -> list[dict[str, Any]]:
        """A row per size and precision: the faster of the peer's numbers of threads."""
        rows = []
        for problem in self.problems.values():
            for dtype in peer.dtypes:
                tries = [self._row(peer, environment, problem, dtype, threads) for threads in peer.threads]
                rows += sorted((row for row in tries if row), key=lambda row: row["step_s"])[:1]
        return rows

    def _row(
        self, peer: Peer, environment: Environment, problem: Problem, dtype: str, threads: str
    ) -> dict[str, Any] | None:
        n_qubits = problem.ansatz.n_qubits
        case = f"{n_qubits} qubits, {dtype}, threads: {threads}"
        self.say(f"{peer.engine}: {case}")
        question = _question(problem, dtype)
        try:
            answer = run_peer(
                environment, peer.script, question, limit_s=self.deadline.left(_CASE_S), one_thread=threads == "1"
            )
        except PeerUnavailableError as error:
            self.skipped.append({"engine": peer.engine, "reason": f"{case}: {error}"})
            return None
        reference = self.exact[n_qubits]
        if len(answer["gradient"]) < len(reference):
            reference = reference[question["sampled"]]
        deviation = float(np.abs(answer["gradient"] - reference).max() / np.abs(reference).max())
        return _row(peer.engine, problem, dtype, answer) | {"threads": threads, "gradient_error": deviation}


def _question(problem: Problem, dtype: str) -> dict[str, AnyArray]:
    n_sampled = int(np.clip(2 ** (18 - problem.ansatz.n_qubits), 4, 64))
    return {
        "n_qubits": np.array(problem.ansatz.n_qubits),
        "pairs": problem.ansatz.pairs,
        "angles": problem.angles,
        "target": problem.target,
        "dtype": np.array(dtype),
        "precision": np.array("single" if dtype == "complex64" else "double"),
        "sampled": np.linspace(0, problem.angles.size - 1, min(n_sampled, problem.angles.size)).astype(np.int64),
        "max_steps": np.array(10),
        "budget_s": np.array(4.0),
    }


def _row(engine: str, problem: Problem, dtype: str, seconds: dict[str, AnyArray]) -> dict[str, Any]:
    return {
        "engine": engine,
        "qubits": problem.ansatz.n_qubits,
        "blocks": problem.ansatz.n_blocks,
        "params": problem.ansatz.n_params,
        "dtype": dtype,
        "step_s": float(seconds["steps_s"].min()),
        "median_s": float(np.median(seconds["steps_s"])),
        "first_s": float(seconds["first_s"]),
    }


def _add_ratios(rows: list[dict[str, Any]]) -> None:
    """Lightning's step over the row's, at equal size and precision; null where Lightning was not measured."""
    lightning = {(r["qubits"], r["dtype"]): r["step_s"] for r in rows if r["engine"] == PEERS[0].engine}
    for row in rows:
        reference = lightning.get((row["qubits"], row["dtype"]))
        row["ratio_to_lightning"] = None if reference is None else reference / row["step_s"]


def bound_row(ansatz: Ansatz, dtype: str, step_s: float) -> dict[str, Any]:
    """The least work of a gradient of this circuit, at the rates this machine reaches, against a measured step.

    Flops: a block acts on the state once forward, on the state and the co-state backward, and their outer product is
    its derivative, four times 16 · 2^n/4 complex products of 8 flops each. Bytes: every fused gate reads and writes the
    state once forward, state and co-state once backward. The bound is the larger of the two times.
    """
    from qfin.quantum.engine import ansatz_plan

    n_amplitudes, itemsize = 2**ansatz.n_qubits, np.dtype(dtype).itemsize
    plan = ansatz_plan(ansatz)
    flops = 128.0 * ansatz.n_blocks * n_amplitudes
    fused = 4.0 * 2.0 * (2.0 * 2**plan.width) ** 2 * n_amplitudes / 2**plan.width * len(plan.groups)
    moved = 6.0 * n_amplitudes * itemsize * len(plan.groups)
    rate, bandwidth = product_rate(dtype), copy_rate(dtype, n_amplitudes)
    bound = max(flops / rate, moved / bandwidth)
    return {
        "qubits": ansatz.n_qubits,
        "dtype": dtype,
        "gflop": flops / 1e9,
        "gflop_of_fused_gates": fused / 1e9,
        "gbyte": moved / 1e9,
        "gflop_per_s": rate / 1e9,
        "gbyte_per_s": bandwidth / 1e9,
        "flop_bound_s": flops / rate,
        "memory_bound_s": moved / bandwidth,
        "step_s": step_s,
        "step_over_bound": step_s / bound,
    }


def product_rate(dtype: str, size: int = 1024) -> float:
    """Flops per second of a large real matrix product in the precision of `dtype`, best of several."""
    import jax

    from qfin.quantum.engine import precision

    with precision(dtype):
        matrix = jax.numpy.ones((size, size), np.empty(0, dtype).real.dtype)
        product = jax.jit(lambda a: a @ a)
        seconds = _best(lambda: product(matrix).block_until_ready())
    return 2.0 * size**3 / seconds


def copy_rate(dtype: str, n_amplitudes: int) -> float:
    """Bytes per second, read and written, of scaling a state of this size again and again, best of several."""
    import jax

    from qfin.quantum.engine import precision

    n_passes = int(np.clip(2**22 // n_amplitudes, 4, 512))
    with precision(dtype):
        state = jax.numpy.ones((2, n_amplitudes), np.empty(0, dtype).real.dtype)
        passes = jax.jit(lambda a: jax.lax.fori_loop(0, n_passes, lambda _, b: 1.0 - 0.5 * b, a))
        seconds = _best(lambda: passes(state).block_until_ready())
    return 2.0 * float(state.nbytes) * n_passes / seconds


def _best(work: Callable[[], Any], n_runs: int = 8) -> float:
    seconds: list[float] = []
    for _ in range(n_runs + 1):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])
