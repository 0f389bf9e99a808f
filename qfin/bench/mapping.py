"""From a matrix product state to a circuit: qfin's mapper beside its peers, at equal two-qubit gates.

The same states and layer counts for all; every tool's gates come back as matrices and are judged here, by the fidelity
|⟨state|circuit⟩|² and by the log-likelihood that the circuit loses on unseen days (a trained state) or on draws of bits
from the state itself (a random one). Whatever iterates gets the same `FIT_S` processor seconds of steps; compilation
and the start of a process are not counted, but a peer that has not answered after its limit is stopped.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._random import stream
from qfin._types import AnyArray, BoolArray, FloatArray
from qfin.basis import HermiteBasis
from qfin.bench._environments import Deadline, Environment, PeerUnavailableError, run_peer, throwaway_environment
from qfin.born import MPSBornMachine, map_mps_to_circuit
from qfin.born.mapping import circuit_tensors, qubit_tensors, register_tensors
from qfin.born.mps import advance
from qfin.born.staircase import Tensors, compress, inner
from qfin.copulas import BornCopula, StudentTCopula
from qfin.experiments.config import MarketConfig
from qfin.experiments.panel import load_market
from qfin.quantum.ansatz import Ansatz

Say = Callable[[str], None]
LAYERS = (1, 2, 4, 8)
FIT_S = 20.0
_MANY_SWEEPS = 100_000  # more than fit into the time
_DRAWS = 2_000
_JUDGING_BOND = 128
_TINY = 1e-300


@dataclass(frozen=True)
class MapperPeer:
    """A library, what to install for it, and seconds after which its answer is no longer waited for."""

    tool: str
    script: str
    requirements: tuple[str, ...]
    limit_s: float


PEERS = (
    MapperPeer("mps-to-circuit", "mps_to_circuit_layers", ("mps-to-circuit==0.1.2", "quimb==1.15.0"), 300.0),
    MapperPeer(
        "qiskit-addon-aqc-tensor",
        "aqc_tensor_fit",
        ("qiskit-addon-aqc-tensor[quimb-jax]==0.3.1", "mps-to-circuit==0.1.2", "quimb==1.15.0"),
        300.0,
    ),
)


@dataclass(frozen=True)
class State:
    """A normalised state on qubits, and the observations on which a circuit in its place is judged.

    `features` (n, registers, 2**n_qubits_per_register) are those of days, or of bits drawn from the state.
    """

    name: str
    tensors: Tensors
    n_qubits_per_register: int
    features: FloatArray

    @property
    def n_qubits(self) -> int:
        return len(self.tensors)

    @property
    def max_bond(self) -> int:
        return max(int(tensor.shape[2]) for tensor in self.tensors)

    def log_density(self, tensors: Sequence[AnyArray]) -> FloatArray:
        """log |Ψ|² of each observation under qubit tensors, shape (n,)."""
        vector: AnyArray = np.ones((len(self.features), 1))
        for i, site in enumerate(register_tensors(tensors, self.n_qubits_per_register)):
            vector = advance(vector, site, self.features[:, i])
        return np.asarray(np.log(np.maximum(np.abs(vector[:, 0]) ** 2, _TINY)))


def random_state(n_qubits: int, max_bond: int, seed: int) -> State:
    """Complex normal tensors."""
    rng = stream(seed, "bench", "mapping", str(n_qubits))
    bonds = [min(max_bond, 2**i, 2 ** (n_qubits - i)) for i in range(n_qubits + 1)]
    shapes = [(bonds[i], 2, bonds[i + 1]) for i in range(n_qubits)]
    tensors, _ = compress([rng.normal(size=shape) + 1j * rng.normal(size=shape) for shape in shapes])
    tensors[0] = tensors[0] / np.linalg.norm(tensors[0])
    bits = draw_bits(tensors, _DRAWS, rng)
    return State("random complex", tensors, 1, np.stack([~bits, bits], axis=2).astype(np.float64))


def draw_bits(tensors: Sequence[AnyArray], n_draws: int, rng: np.random.Generator) -> BoolArray:
    """Bits (n_draws, n_qubits) measured on a right-canonical state of norm one."""
    vector: AnyArray = np.ones((n_draws, 1))
    bits = np.empty((n_draws, len(tensors)), dtype=bool)
    for i, tensor in enumerate(tensors):
        branches = np.tensordot(vector, tensor, axes=1)
        weights = (np.abs(branches) ** 2).sum(axis=2)
        bits[:, i] = rng.random(n_draws) * weights.sum(axis=1) >= weights[:, 0]
        vector = branches[np.arange(n_draws), bits[:, i].astype(int)]
        vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    return bits


def trained_states(qubits: Sequence[int], seed: int, say: Say) -> list[State]:
    """Chains trained as `qfin run` does on its default panel, judged on its test days.

    12 qubits are the first 4 assets of the run's own chain (8 functions, 3 qubits an asset); other sizes are the first
    assets of a chain of 16 functions, 4 qubits each, so that 40 qubits hold 10 assets. A chain of 4 functions gains
    nothing on this panel and is |0…0⟩ itself, which every tool maps.
    """
    panel = load_market(MarketConfig(train_end="2010-12-31"))
    base = StudentTCopula().fit(panel.u_train)
    machines: dict[int, MPSBornMachine] = {}
    states = []
    for n_qubits in qubits:
        size = 3 if n_qubits == 12 else 4
        if n_qubits % size or n_qubits // size > len(panel.assets):
            continue
        if size not in machines:
            say(f"training a chain of {len(panel.assets)} assets, {size} qubits each")
            machine = MPSBornMachine(2**size, 4, max_steps=1500, seed=seed)
            machines[size] = machine.fit(BornCopula.from_parts(base, machine).latent(panel.u_train))
        head, _ = machines[size].head(n_qubits // size)
        y = BornCopula.from_parts(base, head).latent(panel.u_test)[:, : head.n_registers_]
        features = HermiteBasis(2**size).features(y)
        states.append(State(f"trained, {head.n_registers_} stocks", qubit_tensors(head.tensors_), size, features))
    return states


def bench_mapping(
    qubits: Sequence[int] = (12, 20, 40),
    *,
    states: Sequence[State] | None = None,
    layers: Sequence[int] = LAYERS,
    peers: Sequence[MapperPeer] = PEERS,
    fit_s: float = FIT_S,
    limit_s: float = 3600.0,
    seed: int = 7,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows of every tool, state and layer count, of |0…0⟩ in each state's place, and what was skipped and why.

    `states` are random and trained ones of the given `qubits` by default. Few layers come first: what does not fit into
    `limit_s` seconds is skipped and said. A peer that was stopped or failed has a row with its `reason`, no figures.
    """
    deadline = Deadline(limit_s)
    if states is None:
        states = [*(random_state(n, 8 if n <= 12 else 4, seed) for n in qubits), *trained_states(qubits, seed, say)]
    rows: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with ExitStack() as stack:
        environments: list[tuple[MapperPeer, Environment]] = []
        for peer in peers:
            say(f"{peer.tool}: installing {', '.join(peer.requirements)}")
            try:
                environments.append((peer, stack.enter_context(throwaway_environment(peer.requirements, deadline))))
            except PeerUnavailableError as error:
                skipped.append({"tool": peer.tool, "reason": str(error)})
        rows += [_no_gates(state) for state in states]
        for state, n_layers in ((state, n) for n in layers for state in states):
            case = f"{state.name}, {state.n_qubits} qubits, {n_layers} layer(s)"
            try:
                rows += _told(_own_rows(state, n_layers, min(fit_s, deadline.left())), case, say)
                for peer, environment in environments:
                    limit = deadline.left(peer.limit_s)
                    rows += _told([_peer_row(peer, environment, state, n_layers, fit_s, limit, seed)], case, say)
            except PeerUnavailableError as error:
                skipped.append({"case": case, "reason": str(error)})
    rows.sort(key=lambda row: (row["state"], row["qubits"], row["n_layers"]))
    return {"rows": rows, "skipped": skipped}


def _told(rows: list[dict[str, Any]], case: str, say: Say) -> list[dict[str, Any]]:
    for row in rows:
        figures = row["reason"] or f"fidelity {row['fidelity']:.5f} in {row['seconds']:.1f} s"
        say(f"{case}: {row['tool']}: {figures}")
    return rows


def _no_gates(state: State) -> dict[str, Any]:
    """|0…0⟩ in the state's place: what a tool has to be better than."""
    ground = Ansatz(state.n_qubits, np.zeros((0, 2), dtype=np.int64), np.zeros((0, 4, 4), dtype=np.complex128))
    return _row("no gates", state, 0, ground, 0, 0.0)


def _own_rows(state: State, n_layers: int, fit_s: float) -> list[dict[str, Any]]:
    """The mapper as it is by default, and with the time that the peers get."""
    choices: dict[str, dict[str, Any]] = {
        "qfin": {"limit_s": fit_s},
        f"qfin, {fit_s:.0f} s": {"n_sweeps": _MANY_SWEEPS, "tolerance": 1e-10, "limit_s": fit_s},
    }
    rows = []
    for tool, choice in choices.items():
        started = time.process_time()
        mapping = map_mps_to_circuit(state.tensors, n_layers, **choice)
        seconds = time.process_time() - started
        rows.append(_row(tool, state, n_layers, mapping.ansatz, mapping.ansatz.n_blocks, seconds))
    return rows


def _peer_row(
    peer: MapperPeer,
    environment: Environment,
    state: State,
    n_layers: int,
    fit_s: float,
    limit_s: float,
    seed: int,
) -> dict[str, Any]:
    question = {f"tensor_{i}": tensor for i, tensor in enumerate(state.tensors)} | {
        "n_qubits": np.array(state.n_qubits),
        "n_layers": np.array(n_layers),
        "seed": np.array(seed),
        "fit_s": np.array(fit_s),
        "max_iterations": np.array(100_000),
    }
    try:
        answer = run_peer(environment, peer.script, question, limit_s=limit_s)
    except PeerUnavailableError as error:
        return _row_of(peer.tool, state, n_layers) | {"reason": str(error)}
    ansatz = Ansatz(state.n_qubits, answer["pairs"], answer["gates"])
    return _row(peer.tool, state, n_layers, ansatz, int(answer["n_two_qubit_gates"]), float(answer["seconds"]))


def _row(
    tool: str, state: State, n_layers: int, ansatz: Ansatz, two_qubit_gates: int, seconds: float
) -> dict[str, Any]:
    """Judged by the state of the returned gates, whatever the tool says of itself.

    To 1e-6 of the fidelity: at 40 qubits and eight layers a limit of 64 instead of 128 changes it by 3e-5.
    """
    tensors, _ = circuit_tensors(ansatz, max_bond=_JUDGING_BOND, cutoff=1e-7)
    return _row_of(tool, state, n_layers) | {
        "two_qubit_gates": two_qubit_gates,
        "fidelity": float(abs(inner(state.tensors, tensors)) ** 2),
        "loglik_lost": float(np.mean(state.log_density(state.tensors) - state.log_density(tensors))),
        "seconds": seconds,
    }


def _row_of(tool: str, state: State, n_layers: int) -> dict[str, Any]:
    """A row without figures."""
    return {
        "tool": tool,
        "state": state.name,
        "qubits": state.n_qubits,
        "max_bond": state.max_bond,
        "n_layers": n_layers,
        "two_qubit_gates": None,
        "fidelity": None,
        "loglik_lost": None,
        "seconds": None,
        "reason": "",
    }
