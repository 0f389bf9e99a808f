"""The circuit stages: map the chain's head, extend and train it, run it on Qiskit's samplers, train it from shots."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from qfin._random import integer_seed, stream
from qfin._types import BoolArray, FloatArray, IntArray
from qfin.basis import HermiteBasis
from qfin.born import CircuitBornMachine, MPSBornMachine, map_mps_to_circuit
from qfin.born.circuit import distant_pairs
from qfin.born.mapping import circuit_tensors, register_tensors
from qfin.experiments.checkpoints import Arrays, Progress, Stages, watched, with_prefix, without_prefix
from qfin.experiments.config import QuantumConfig, RunConfig
from qfin.quantum.ansatz import Ansatz


@dataclass(frozen=True)
class Circuits:
    """Machines of the first registers, by the name of their row, and what the record says of them."""

    heads: dict[str, Any]
    trained: CircuitBornMachine
    full: Ansatz
    mapping_facts: dict[str, Any]
    circuit_facts: dict[str, Any]
    sampler_rows: list[dict[str, Any]]
    curves: dict[str, FloatArray]


def build_circuits(
    config: RunConfig, mps: MPSBornMachine, y: FloatArray, assets: tuple[str, ...], held_out: BoolArray, stages: Stages
) -> Circuits:
    """Mapping, extension, training and the Qiskit runs; y are the latent training observations (n, d).

    `held_out` (n,) are the days on which the chain's training stopped: the circuit, which starts from the chain, must
    stop on the same ones, for the chain has seen all others.
    """
    n_head = min(config.circuit.n_assets, len(assets))
    head, schmidt_weight = mps.head(n_head)
    mapping_facts, mapping_arrays = stages.run(
        "mapping", "Mapping: chain to circuit", lambda: _map(config, mps, head, stages.progress)
    )
    mapping_facts |= {"assets": list(assets[:n_head]), "schmidt_weight": schmidt_weight}
    size = (config.born.n_functions - 1).bit_length()
    mapped = Ansatz.from_arrays(without_prefix("head", mapping_arrays))
    full = Ansatz.from_arrays(without_prefix("full", mapping_arrays))
    start = CircuitBornMachine.from_ansatz(mapped, size)
    facts, arrays = stages.run(
        "circuit",
        "Circuit: training by exact gradient",
        lambda: _train(config, start, y[:, :n_head], held_out, stages.progress),
    )
    n_distant = len(facts["distant_pairs"])
    facts["distant_pairs"] = [[assets[i], assets[j]] for i, j in facts["distant_pairs"]]
    trained = CircuitBornMachine.from_arrays(without_prefix("trained", arrays))
    twin = MPSBornMachine.from_arrays(without_prefix("twin", arrays))
    shot_facts, shot_arrays = stages.run(
        "shots",
        "Circuit: training from Aer shots alone",
        lambda: _train_from_shots(config, trained, n_distant, y[:, :n_head], held_out, stages.progress),
    )
    after_shots = CircuitBornMachine.from_ansatz(trained.ansatz, size, shot_arrays["params"])
    quantum_facts, _ = stages.run(
        "quantum",
        "Qiskit: state vector, Aer shots, noise, matrix product state",
        lambda: ({"rows": _sampler_rows(config.quantum, trained, full, size, config.seed, stages.progress)}, {}),
    )
    return Circuits(
        heads={
            "mps (leading Schmidt vector)": head,
            "mps (equal parameters)": twin,
            "circuit (mapped)": start,
            "circuit (trained)": trained,
            "circuit (after shots)": after_shots,
        },
        trained=trained,
        full=full,
        mapping_facts=mapping_facts,
        circuit_facts=facts | {"n_params": trained.n_params_, "shot_training": shot_facts},
        sampler_rows=quantum_facts["rows"],
        curves=without_prefix("curves", arrays) | {"shot_steps": shot_arrays["steps"], "shot_mmd": shot_arrays["mmd"]},
    )


def _map(
    config: RunConfig, mps: MPSBornMachine, head: MPSBornMachine, progress: Progress
) -> tuple[dict[str, Any], Arrays]:
    settings = config.circuit
    wide, _ = mps.head(min(settings.full_assets, mps.n_registers_))
    total = settings.n_layers + settings.full_layers
    mapping = map_mps_to_circuit(
        head.tensors_, settings.n_layers, on_progress=lambda k, *_: progress.update(k - 1, total)
    )
    full = map_mps_to_circuit(
        wide.tensors_, settings.full_layers, on_progress=lambda k, *_: progress.update(settings.n_layers + k - 1, total)
    )
    facts = {
        "n_qubits": mapping.ansatz.n_qubits,
        "n_layers": mapping.n_layers,
        "two_qubit_gates": mapping.ansatz.n_blocks,
        "fidelity": mapping.fidelity,
        "fidelity_by_layer": [float(f) for f in mapping.fidelity_by_layer],
        "full": {
            "n_qubits": full.ansatz.n_qubits,
            "n_layers": full.n_layers,
            "two_qubit_gates": full.ansatz.n_blocks,
            "fidelity": full.fidelity,
            "truncation": full.circuit_error,
        },
    }
    return facts, with_prefix("head", mapping.ansatz.to_arrays()) | with_prefix("full", full.ansatz.to_arrays())


def _train(
    config: RunConfig, start: CircuitBornMachine, y: FloatArray, held_out: BoolArray, progress: Progress
) -> tuple[dict[str, Any], Arrays]:
    """The mapped circuit trained on, and a chain with as many parameters on the same days.

    With a few distant gates where they gain on the held-out days, without where they do not; these gates are then there
    as the identity, for the training from shots.
    """
    size, seed = start.n_qubits_per_register, integer_seed(stream(config.seed, "circuit"))
    information = start.register_mutual_information()
    n_possible = max(0, (start.n_registers_ - 1) * (start.n_registers_ - 2) // 2)
    pairs = distant_pairs(information, min(config.circuit.n_distant, n_possible), size)
    started = time.perf_counter()
    machine = CircuitBornMachine(start.ansatz, size, max_steps=config.circuit.max_steps, seed=seed)
    machine.fit(y[~held_out], y[held_out], on_step=watched(progress, "circuit", 0.0, 0.3))
    record, wins = machine.record_, False
    if len(pairs):
        extended = clone(machine).set_params(ansatz=start.ansatz.extended(pairs))
        extended.fit(y[~held_out], y[held_out], on_step=lambda step, total, _: progress.update(total + step, 3 * total))
        wins = extended.record_.best_validation > record.best_validation
        if wins:
            machine, record = extended, extended.record_
        else:
            angles = np.concatenate([machine.params_, np.zeros(extended.n_params_ - machine.n_params_)])
            machine = CircuitBornMachine.from_ansatz(extended.ansatz, size, angles)
    seconds = time.perf_counter() - started
    twin = MPSBornMachine(
        2**size,
        _bond_for(machine.n_params_, start.n_registers_, 2**size),
        penalty=config.born.penalty,
        max_steps=config.born.max_steps,
        seed=seed,
    ).fit(y, held_out=held_out, on_step=lambda step, total, _: progress.update(2 * total + step, 3 * total))
    facts = {
        "distant_pairs": (np.asarray(pairs) // size).tolist(),
        "distant_gates_gain": wins,
        "stopped_at": record.stopped_at,
        "best_validation": record.best_validation,
        "fit_s": seconds,
    }
    curves = {"circuit_steps": record.steps, "circuit_train": record.train, "circuit_validation": record.validation}
    parts = {"trained": machine.to_arrays(), "twin": twin.to_arrays(), "curves": curves}
    return facts, {key: v for name, arrays in parts.items() for key, v in with_prefix(name, arrays).items()}


def _bond_for(n_params: int, n_registers: int, n_functions: int) -> int:
    """The smallest bond at which a chain stores at least as many numbers as the circuit has angles."""
    bond = 1
    while 2 * n_functions * bond + (n_registers - 2) * n_functions * bond**2 < n_params:
        bond += 1
    return bond


def _last_blocks(ansatz: Ansatz, n_blocks: int) -> IntArray | None:
    """The last blocks of a circuit; None, which means all, where there are none."""
    return np.arange(ansatz.n_blocks - n_blocks, ansatz.n_blocks) if n_blocks else None


def _train_from_shots(
    config: RunConfig,
    machine: CircuitBornMachine,
    n_distant: int,
    y: FloatArray,
    held_out: BoolArray,
    progress: Progress,
) -> tuple[dict[str, Any], Arrays]:
    """A short stretch of training in which the circuit is only ever run on Aer and measured."""
    from qfin.born.shot_training import ShotSettings, real_angles, train_from_shots
    from qfin.quantum import AerCircuitSampler

    settings = config.quantum
    params, record = train_from_shots(
        machine.ansatz,
        machine.params_,
        y[~held_out],
        sampler=AerCircuitSampler(method="statevector"),
        basis=HermiteBasis(2**machine.n_qubits_per_register),
        n_registers=machine.n_registers_,
        n_steps=settings.training_steps,
        y_validation=y[held_out],
        # Only the gates on distant assets move: hundreds of angles at once are lost in the shots' own noise.
        trainable=real_angles(machine.ansatz, _last_blocks(machine.ansatz, n_distant)),
        settings=ShotSettings(shots=settings.training_shots),
        rng=stream(config.seed, "shots"),
        on_step=lambda step, total, _: progress.update(step, total),
    )
    facts = {
        "steps": settings.training_steps,
        "kept_at": record.kept_at,
        "shots": record.n_shots,
        "executions": record.n_executions,
        "mmd_start": record.mmd_start,
        "mmd_end": record.mmd_end,
    }
    return facts, {"params": params, "steps": record.steps, "mmd": record.mmd}


def _sampler_rows(
    settings: QuantumConfig, machine: CircuitBornMachine, full: Ansatz, size: int, seed: int, progress: Progress
) -> list[dict[str, Any]]:
    """Each way of running the circuit against the exact outcome probabilities of its registers."""
    from qfin.quantum import AerCircuitSampler, StatevectorCircuitSampler
    from qfin.quantum.noise import depolarizing_noise

    noise = depolarizing_noise(settings.error_1q, settings.error_2q, settings.error_readout)
    exact = _outcome_probabilities(
        register_tensors(circuit_tensors(machine.ansatz, machine.params_, max_bond=None)[0], size)
    )
    wide_tensors, _ = circuit_tensors(full)
    exact_wide = _outcome_probabilities(register_tensors(wide_tensors, size))
    wide = CircuitBornMachine.from_ansatz(full, size)
    runs = [
        ("state vector, shots", StatevectorCircuitSampler(), machine, settings.shots, exact),
        ("Aer, state vector", AerCircuitSampler(method="statevector"), machine, settings.shots, exact),
        (
            "Aer, with noise",
            AerCircuitSampler(method="statevector", noise_model=noise),
            machine,
            settings.noisy_shots,
            exact,
        ),
        ("Aer, matrix product state", AerCircuitSampler(method="matrix_product_state"), machine, settings.shots, exact),
        (
            "Aer, matrix product state, full width",
            AerCircuitSampler(method="matrix_product_state"),
            wide,
            settings.full_shots,
            exact_wide,
        ),
    ]
    rows = []
    for done, (name, sampler, circuit, shots, probabilities) in enumerate(runs):
        progress.update(done, len(runs))
        bits = sampler.sample(circuit.circuit(), shots, rng=stream(seed, "quantum", name))
        rows.append(
            {"sampler": name, "n_qubits": circuit.ansatz.n_qubits, "shots": shots} | _agreement(bits, probabilities)
        )
    return rows


def _agreement(bits: Any, probabilities: FloatArray) -> dict[str, float]:
    """Largest deviation of an outcome's frequency in standard errors, and the mean total variation over registers."""
    n_registers, n_outcomes = probabilities.shape
    by_register = np.asarray(bits, dtype=np.int64).reshape(len(bits), n_registers, -1)
    outcomes = by_register @ (1 << np.arange(by_register.shape[2] - 1, -1, -1))
    frequency = np.stack([np.bincount(outcomes[:, i], minlength=n_outcomes) for i in range(n_registers)]) / len(bits)
    error = np.sqrt(np.maximum(probabilities * (1.0 - probabilities), 1.0 / len(bits)) / len(bits))
    return {
        "max_z": float((np.abs(frequency - probabilities) / error).max()),
        "total_variation": float(0.5 * np.abs(frequency - probabilities).sum(axis=1).mean()),
    }


def _outcome_probabilities(tensors: list[Any]) -> FloatArray:
    """Exact probability of each Gauss–Hermite node of each register, shape (d, K)."""
    transform = HermiteBasis(tensors[0].shape[1]).transform()
    right = [np.ones((1, 1))]
    for tensor in reversed(tensors[1:]):
        right.append(np.einsum("lkr,rs,mks->lm", tensor, right[-1], tensor.conj()))
    left, rows = np.ones((1, 1)), []
    for tensor, environment in zip(tensors, reversed(right), strict=True):
        nodes = np.einsum("jk,lkr->ljr", transform, tensor)
        rows.append(np.einsum("lm,ljr,mjs,rs->j", left, nodes, nodes.conj(), environment).real)
        left = np.einsum("lm,lkr,mks->rs", left, tensor, tensor.conj())
    probabilities = np.stack(rows)
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))
