"""Training a circuit from shots alone: SPSA on the MMD between decoded shots and observations.

Nothing here looks at amplitudes: a loss is one run of the measured circuit through a `CircuitSampler`, so the same code
trains on a simulator with noise and on a device.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from qfin._random import RandomLike, as_generator, integer_seed, stream
from qfin._types import AnyArray, FloatArray, IntArray
from qfin._validation import as_matrix
from qfin.basis import HermiteBasis
from qfin.born.decoding import sample_circuit
from qfin.exceptions import InputError
from qfin.quantum.ansatz import PAULI_LABELS, Ansatz
from qfin.quantum.circuits import to_qiskit
from qfin.quantum.fusion import angle_positions
from qfin.quantum.samplers import CircuitSampler
from qfin.training.contract import pack, unpack
from qfin.training.mmd import mean_kernel_within, median_bandwidths, mmd_squared
from qfin.training.spsa import SPSA, SPSAInfo, SPSAState, calibrated_gain


@dataclass(frozen=True)
class ShotSettings:
    """Settings of `train_from_shots`.

    Attributes
    ----------
    shots, validation_shots
        Shots of one loss, and of one look at the held-out observations.
    batch_size
        Observations of the training loss, one batch for the whole run; the look uses at most twice as many.
    held_out_fraction
        Share of y, drawn at random, on which the parameters to keep are chosen, where no `y_validation` is given.
    check_every
        Steps between looks.
    n_extra
        Fresh qubits per register for a finer grid of nodes.
    first_step, perturbation
        Euclidean length, in radians, of the first step (on average) and of SPSA's first perturbation.
    stability
        SPSA's A: a larger one keeps the steps long for longer.
    n_probes
        Pairs of losses that set SPSA's gain.
    """

    shots: int = 2000
    validation_shots: int = 4000
    batch_size: int = 1000
    held_out_fraction: float = 0.25
    check_every: int = 5
    n_extra: int = 0
    first_step: float = 0.05
    perturbation: float = 0.3
    stability: float = 10.0
    n_probes: int = 5

    def __post_init__(self) -> None:
        for name in ("shots", "validation_shots", "batch_size", "check_every", "n_probes"):
            if getattr(self, name) < (1 if name in ("check_every", "n_probes") else 2):
                raise InputError(f"{name}: expected a larger number, received {getattr(self, name)}")
        if not 0.0 < self.held_out_fraction < 1.0:
            raise InputError(f"held_out_fraction: expected a share in (0, 1), received {self.held_out_fraction}")


@dataclass(frozen=True)
class ShotTrainingRecord:
    """What a run from shots leaves behind; MMD² are unbiased estimates and may be negative.

    Attributes
    ----------
    steps, mmd : (n_looks,) steps at which the held-out observations were looked at, and MMD² there.
    losses : (n_steps,) mean of the two training losses of each step.
    gains, step_norms : (n_steps,) SPSA's gain and the length of each move.
    kept_at : step whose parameters were kept, 0 where the start was best.
    mmd_start, mmd_end : held-out MMD² of the start and of the parameters kept, from shots that decided nothing.
    n_executions, n_shots : circuits run and shots taken, everything counted.
    seconds : wall time.
    """

    steps: IntArray
    mmd: FloatArray
    losses: FloatArray
    gains: FloatArray
    step_norms: FloatArray
    kept_at: int
    mmd_start: float
    mmd_end: float
    n_executions: int
    n_shots: int
    seconds: float

    def to_arrays(self) -> dict[str, AnyArray]:
        return {name: np.asarray(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class ShotTrainingState:
    """Where a run stands: everything its next step depends on, so that a resumed run is the same to the last bit."""

    seed: int
    gain: float
    spsa: SPSAState
    start: FloatArray
    best: FloatArray
    kept_at: int
    looks: FloatArray  # (n_looks, 2): step, held-out MMD²
    trace: FloatArray  # (n_steps, 3): mean loss, gain, step length
    n_executions: int
    n_shots: int

    def to_arrays(self) -> dict[str, AnyArray]:
        """The state as plain arrays."""
        arrays = {name: np.asarray(value) for name, value in vars(self).items() if name != "spsa"}
        return arrays | {f"spsa_{name}": value for name, value in pack(self.spsa).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> "ShotTrainingState":
        """The state that `to_arrays` wrote."""
        return cls(
            seed=int(arrays["seed"]),
            gain=float(arrays["gain"]),
            spsa=unpack(SPSAState, {name.removeprefix("spsa_"): value for name, value in arrays.items()}),
            start=np.array(arrays["start"]),
            best=np.array(arrays["best"]),
            kept_at=int(arrays["kept_at"]),
            looks=np.array(arrays["looks"]),
            trace=np.array(arrays["trace"]),
            n_executions=int(arrays["n_executions"]),
            n_shots=int(arrays["n_shots"]),
        )


@dataclass(frozen=True)
class _Sample:
    """Observations to compare shots with; what depends on them alone is computed once."""

    values: FloatArray
    bandwidths: FloatArray
    within: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", mean_kernel_within(self.values, self.bandwidths))


@dataclass(frozen=True)
class ShotTraining:
    """The process: `init(params) -> state`, `step(state) -> (state, info)`, `finish(state) -> (params, record)`."""

    ansatz: Ansatz
    sampler: CircuitSampler
    basis: HermiteBasis
    n_registers: int
    observed: _Sample
    held_out: _Sample
    trainable: IntArray
    settings: ShotSettings

    def init(self, params: ArrayLike, *, rng: RandomLike = None) -> ShotTrainingState:
        """The start: SPSA's gain from a few probes, and the first look."""
        start, seed, settings = self.ansatz.checked_params(params), integer_seed(as_generator(rng)), self.settings
        gain = calibrated_gain(
            partial(self._loss, start),
            start[self.trainable],
            c=self._perturbation,
            first_step=settings.first_step,
            rng=stream(seed, "shots", "probes"),
            n_probes=settings.n_probes,
            stability=settings.stability,
        )
        state = ShotTrainingState(
            seed=seed,
            gain=gain,
            spsa=self._optimiser(gain).init(start[self.trainable]),
            start=start,
            best=start,
            kept_at=0,
            looks=np.empty((0, 2)),
            trace=np.empty((0, 3)),
            n_executions=2 * settings.n_probes,
            n_shots=2 * settings.n_probes * settings.shots,
        )
        return self._look(state)

    def step(self, state: ShotTrainingState) -> tuple[ShotTrainingState, SPSAInfo]:
        """One SPSA step on fresh shots; every `check_every` steps a look at the held-out observations."""
        rng = stream(state.seed, "shots", "step", str(state.spsa.step))
        loss = partial(self._loss, state.start)
        spsa, info = self._optimiser(state.gain).step(state.spsa, loss, rng)
        row = [info.loss, info.gain, info.step_norm]
        state = replace(
            state,
            spsa=spsa,
            trace=np.concatenate([state.trace, [row]]),
            n_executions=state.n_executions + 2,
            n_shots=state.n_shots + 2 * self.settings.shots,
        )
        return (self._look(state) if spsa.step % self.settings.check_every == 0 else state), info

    def finish(self, state: ShotTrainingState, seconds: float = 0.0) -> tuple[FloatArray, ShotTrainingRecord]:
        """The parameters kept, and the record with MMD² of start and end from fresh shots."""
        if state.looks[-1, 0] != state.spsa.step:
            state = self._look(state)
        start, end = (self._held_out_mmd(params, state.seed, "final") for params in (state.start, state.best))
        return state.best, ShotTrainingRecord(
            steps=state.looks[:, 0].astype(np.int64),
            mmd=state.looks[:, 1],
            losses=state.trace[:, 0],
            gains=state.trace[:, 1],
            step_norms=state.trace[:, 2],
            kept_at=state.kept_at,
            mmd_start=start,
            mmd_end=end,
            n_executions=state.n_executions + 2,
            n_shots=state.n_shots + 2 * self.settings.validation_shots,
            seconds=seconds,
        )

    @property
    def _perturbation(self) -> float:
        """Per parameter, so that the whole perturbation has the length asked for."""
        return self.settings.perturbation / float(np.sqrt(len(self.trainable)))

    def _optimiser(self, gain: float) -> SPSA:
        return SPSA(gain, self._perturbation, self.settings.stability)

    def _look(self, state: ShotTrainingState) -> ShotTrainingState:
        params = self._placed(state.start, state.spsa.params)
        # the same seed at every look: common random numbers, so that looks differ by their parameters more than by luck
        mmd = self._held_out_mmd(params, state.seed, "look")
        better = len(state.looks) == 0 or mmd < state.looks[:, 1].min()
        return replace(
            state,
            best=params if better else state.best,
            kept_at=state.spsa.step if better else state.kept_at,
            looks=np.concatenate([state.looks, [[state.spsa.step, mmd]]]),
            n_executions=state.n_executions + 1,
            n_shots=state.n_shots + self.settings.validation_shots,
        )

    def _placed(self, start: FloatArray, free: FloatArray) -> FloatArray:
        params = start.copy()
        params[self.trainable] = free
        return params

    def _loss(self, start: FloatArray, free: FloatArray, rng: np.random.Generator) -> float:
        return self._mmd(self._placed(start, free), self.settings.shots, self.observed, rng)

    def _held_out_mmd(self, params: FloatArray, seed: int, purpose: str) -> float:
        return self._mmd(params, self.settings.validation_shots, self.held_out, stream(seed, "shots", purpose))

    def _mmd(self, params: FloatArray, shots: int, sample: _Sample, rng: np.random.Generator) -> float:
        draws = sample_circuit(
            to_qiskit(self.ansatz, params),
            self.basis,
            self.n_registers,
            shots,
            sampler=self.sampler,
            n_extra=self.settings.n_extra,
            rng=rng,
        )
        return mmd_squared(draws, sample.values, sample.bandwidths, within_y=sample.within)


def real_angles(ansatz: Ansatz, blocks: ArrayLike | None = None) -> IntArray:
    """Indices of the parameters whose Pauli has exactly one Y, six a block where all are active; of all blocks or some.

    They turn real amplitudes into real ones. Where the blocks are real, the probabilities of real measurements do not
    change to first order along the other nine, which only add noise to a search.
    """
    chosen = np.arange(ansatz.n_blocks) if blocks is None else np.asarray(blocks, dtype=np.int64)
    angles = np.array([i for i, label in enumerate(PAULI_LABELS) if label.count("Y") == 1])
    positions = angle_positions(ansatz.active.tobytes(), ansatz.n_blocks)[chosen[:, None], angles]
    indices: IntArray = positions[ansatz.active[chosen[:, None], angles]].astype(np.int64)
    return indices


def shot_training(
    ansatz: Ansatz,
    y: ArrayLike,
    *,
    sampler: CircuitSampler,
    basis: HermiteBasis,
    n_registers: int,
    y_validation: ArrayLike | None = None,
    trainable: ArrayLike | None = None,
    settings: ShotSettings | None = None,
    rng: RandomLike = None,
) -> ShotTraining:
    """A `ShotTraining` on y (n, n_registers): batch, held-out rows and bandwidths drawn and computed once.

    `trainable` are the indices of the angles that move, all by default.
    """
    settings, rng = settings or ShotSettings(), as_generator(rng)
    y = as_matrix(y, "y", n_columns=n_registers, min_rows=8)
    if y_validation is None:
        order = rng.permutation(len(y))
        n_held = min(max(2, round(settings.held_out_fraction * len(y))), len(y) - 2)
        held, pool = y[order[:n_held]], y[order[n_held:]]
    else:
        held, pool = as_matrix(y_validation, "y_validation", n_columns=n_registers, min_rows=2), y
    batch = pool[rng.permutation(len(pool))[: settings.batch_size]]
    held = held[rng.permutation(len(held))[: 2 * settings.batch_size]]
    free = np.arange(ansatz.n_params) if trainable is None else np.unique(np.asarray(trainable, dtype=np.int64))
    if free.size == 0 or free[0] < 0 or free[-1] >= ansatz.n_params:
        raise InputError(f"trainable: expected indices 0 … {ansatz.n_params - 1}, received {free}")
    bandwidths = median_bandwidths(batch)
    return ShotTraining(
        ansatz, sampler, basis, n_registers, _Sample(batch, bandwidths), _Sample(held, bandwidths), free, settings
    )


def train_from_shots(
    ansatz: Ansatz,
    params: ArrayLike,
    y: ArrayLike,
    *,
    sampler: CircuitSampler,
    basis: HermiteBasis,
    n_registers: int,
    n_steps: int = 30,
    y_validation: ArrayLike | None = None,
    trainable: ArrayLike | None = None,
    settings: ShotSettings | None = None,
    rng: RandomLike = None,
    on_step: Callable[[int, int, ShotTrainingState], None] | None = None,
) -> tuple[FloatArray, ShotTrainingRecord]:
    """Continue training from `params` by shots alone; the parameters that looked best on held-out observations.

    Parameters
    ----------
    ansatz, params
        The circuit and its angles (n_params,) at the start, which is itself a candidate.
    y
        Latent observations (n, n_registers).
    sampler
        Runs the circuit: ideal, noisy or a device.
    n_steps
        SPSA steps, two circuits each.
    y_validation, trainable, settings
        See `shot_training` and `ShotSettings`.
    on_step
        Called as `on_step(step, n_steps, state)` after each step, for progress and checkpoints; a stored state goes on
        with `ShotTraining.step`.

    Returns
    -------
    params, record
    """
    started, rng = time.perf_counter(), as_generator(rng)
    process = shot_training(
        ansatz,
        y,
        sampler=sampler,
        basis=basis,
        n_registers=n_registers,
        y_validation=y_validation,
        trainable=trainable,
        settings=settings,
        rng=rng,
    )
    state = process.init(params, rng=rng)
    while state.spsa.step < n_steps:
        state, _ = process.step(state)
        if on_step is not None:
            on_step(state.spsa.step, n_steps, state)
    return process.finish(state, time.perf_counter() - started)
