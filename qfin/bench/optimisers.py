"""Which optimiser trains a circuit best for its evaluations? All on one likelihood of real days, from two starts.

The circuit has two staircases and four distant gates on two qubits an asset; the loss is minus the mean log-likelihood
of the training days relative to a Student t base, exact, with the penalty on high degrees that a `CircuitBornMachine`
has; the held-out days decide nothing here. Every optimiser stops once it has spent `n_evaluations`; what that means is
said in `qfin.training.contract`: on a simulator a gradient is worth a few values, on a device one value per angle or
more, so that the rows of Adam, L-BFGS and the natural gradient are those of a simulator. Step sizes and damping were
chosen by the training loss on other days, those of `us20, six sectors`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qfin._random import integer_seed, stream
from qfin._types import AnyArray, BoolArray, FloatArray
from qfin.basis import HermiteBasis
from qfin.bench.continuation import LatentPanel
from qfin.born import CircuitBornMachine, MPSBornMachine, map_mps_to_circuit
from qfin.born.circuit_loss import CircuitLoss, penalised_likelihood
from qfin.born.circuit_training import squared_degrees
from qfin.born.mps_training import train_members
from qfin.born.starts import Frame, extension_pairs, start
from qfin.exceptions import InputError
from qfin.training import CMAES, LBFGS, QNSPSA, SPSA, Adam, NaturalGradient
from qfin.training.spsa import calibrated_gain

Say = Callable[[str], None]
STARTS = ("mps", "identity")
_SIZE = 2  # qubits of an asset
_LAYERS, _MAX_BOND, _CHAIN_STEPS = 2, 4, 1000
_PENALTY = 0.003
_START_NOISE = 5e-3  # leaves the real states, on which half of the slopes vanish by symmetry
_PERTURBATION, _PROBES = 0.05, 5  # of the SPSA kinds: Euclidean length in radians, and pairs of losses for the gain
_HELD_OUT = 0.2


@dataclass(frozen=True)
class _Task:
    """One seed's loss from one start, and the days that only judge."""

    loss: CircuitLoss
    start: FloatArray
    held_out: FloatArray


def _spsa(task: _Task, budget: int, seed: int) -> tuple[SPSA, int]:
    return _gains(task, seed, first_step=0.02, n_steps=budget // 2), 2 * _PROBES


def _qnspsa(task: _Task, budget: int, seed: int) -> tuple[QNSPSA, int]:
    gains = _gains(task, seed, first_step=0.005, n_steps=budget // 7)
    return QNSPSA(replace(gains, max_increase=0.0)), 2 * _PROBES


def _gains(task: _Task, seed: int, *, first_step: float, n_steps: int) -> SPSA:
    size, stability = _PERTURBATION / float(np.sqrt(task.start.size)), 0.1 * n_steps
    rng = stream(seed, "probes")
    gain = calibrated_gain(
        task.loss, task.start, c=size, first_step=first_step, rng=rng, n_probes=_PROBES, stability=stability
    )
    return SPSA(gain, size, stability)


# name -> the optimiser for a task, a budget and a seed, and the evaluations already spent on setting it up
OPTIMISERS: dict[str, Callable[[_Task, int, int], tuple[Any, int]]] = {
    "adam": lambda task, budget, seed: (Adam(0.03), 0),
    "l-bfgs": lambda task, budget, seed: (LBFGS(memory=30), 0),
    "natural gradient": lambda task, budget, seed: (NaturalGradient(0.1, damping=1e-3, max_distance=0.02), 0),
    "spsa": _spsa,
    "qn-spsa": _qnspsa,
    "cma-es": lambda task, budget, seed: (CMAES(0.002, seed=seed), 0),
}


def bench_optimisers(
    panel: LatentPanel,
    *,
    n_evaluations: int = 400,
    n_seeds: int = 3,
    optimisers: Sequence[str] = tuple(OPTIMISERS),
    limit_s: float = 480.0,
    seed: int = 7,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per start and optimiser, means over seeds; a seed is another draw of held-out days, chain and noise.

    The row `none` is the start. `loss_train` is the penalised loss after the last step, `loglik_valid` nats a day above
    the base on held-out days, `gain_valid` what that gained on the start, with its standard deviation over seeds. Seeds
    that do not fit into `limit_s` seconds are left out; `n_seeds` counts those that did.
    """
    if n_evaluations < 1 or n_seeds < 1:
        raise InputError(
            f"bench_optimisers: expected positive numbers, received {n_evaluations} evaluations, {n_seeds} seeds"
        )
    if unknown := [name for name in optimisers if name not in OPTIMISERS]:
        raise InputError(f"optimisers: expected names among {', '.join(OPTIMISERS)}, received {', '.join(unknown)}")
    end, begun = time.monotonic() + limit_s, time.monotonic()
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    for number in range(n_seeds):
        if number and time.monotonic() + (time.monotonic() - begun) / number > end:
            say(f"{number} of {n_seeds} seeds fit into the time")
            break
        say(f"{panel.name}: seed {number + 1} of {n_seeds}")
        rng = stream(seed, "bench", "optimisers", str(number))
        for name, task in _tasks(panel, rng):
            results.setdefault((name, "none"), []).append(_measured(task, task.start, 0, 0.0))
            for optimiser in optimisers:
                done = _run(optimiser, task, n_evaluations, integer_seed(rng))
                results.setdefault((name, optimiser), []).append(done)
    return {"rows": [_row(*key, values, results[key[0], "none"]) for key, values in results.items()]}


def _tasks(panel: LatentPanel, rng: np.random.Generator) -> Iterator[tuple[str, _Task]]:
    """The loss of one seed from each start."""
    y = panel.y_train
    held_out = np.zeros(len(y), dtype=bool)
    held_out[rng.permutation(len(y))[: round(_HELD_OUT * len(y))]] = True
    frame = _frame(y, held_out, rng)
    features = HermiteBasis(2**_SIZE).features(y)
    penalties = _PENALTY * squared_degrees(y.shape[1], 2**_SIZE)
    noise = _START_NOISE * rng.standard_normal(frame.identity.n_params)
    for name in STARTS:
        ansatz, params = start(name, frame, rng)
        loss = CircuitLoss(ansatz, penalised_likelihood, (features[~held_out], penalties))
        yield name, _Task(loss, params + noise, y[held_out])


def _frame(y: FloatArray, held_out: BoolArray, rng: np.random.Generator) -> Frame:
    """A chain trained on the days that are not held out, mapped, with pairs of its strongest distant registers."""
    settings = MPSBornMachine(2**_SIZE, _MAX_BOND, penalty=_PENALTY, max_steps=_CHAIN_STEPS).settings()
    (tensors,), _, _ = train_members(y, held_out[None], settings, rng)
    mapped = CircuitBornMachine.from_ansatz(map_mps_to_circuit(tensors, _LAYERS).ansatz, _SIZE)
    return Frame(mapped.ansatz, extension_pairs("distant", mapped.register_mutual_information(), _SIZE))


def _run(name: str, task: _Task, budget: int, seed: int) -> dict[str, float]:
    task.loss.value_and_gradient(task.start)  # compiled before the clock starts
    task.loss(task.start)
    started = time.perf_counter()
    optimiser, spent = OPTIMISERS[name](task, budget, seed)
    state = optimiser.init(task.start)
    while spent + state.n_evaluations < budget and state.step < budget:
        state, _ = optimiser.step(state, task.loss, stream(seed, "step", str(state.step)))
    return _measured(task, state.params, spent + state.n_evaluations, time.perf_counter() - started)


def _measured(task: _Task, params: FloatArray, n_evaluations: int, seconds: float) -> dict[str, float]:
    machine = CircuitBornMachine.from_ansatz(task.loss.ansatz, _SIZE, params)
    return {
        "n_evaluations": float(n_evaluations),
        "loss_train": task.loss(params),
        "loglik_valid": float(machine.log_ratio(task.held_out).mean()),
        "seconds": seconds,
    }


def _row(
    start_name: str, optimiser: str, values: Sequence[dict[str, float]], before: Sequence[dict[str, float]]
) -> dict[str, Any]:
    columns: dict[str, AnyArray] = {name: np.array([value[name] for value in values]) for name in values[0]}
    gains = columns["loglik_valid"] - np.array([value["loglik_valid"] for value in before])
    return {
        "optimiser": optimiser,
        "start": start_name,
        "n_evaluations": round(float(columns["n_evaluations"].mean())),
        "loss_train": float(columns["loss_train"].mean()),
        "loglik_valid": float(columns["loglik_valid"].mean()),
        "gain_valid": float(gains.mean()),
        "gain_sd": float(gains.std(ddof=1)) if len(gains) > 1 else None,
        "seconds": float(columns["seconds"].mean()),
        "n_seeds": len(values),
    }
