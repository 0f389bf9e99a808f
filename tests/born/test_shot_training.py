"""Training from shots on a problem small enough for the exact MMD between decoded laws."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from qfin.basis import HermiteBasis
from qfin.born.decoding import cell_edges, sample_circuit
from qfin.born.shot_training import ShotSettings, ShotTrainingState, real_angles, shot_training, train_from_shots
from qfin.exceptions import InputError
from qfin.quantum import AerCircuitSampler, Ansatz, CircuitSampler, to_qiskit
from qfin.quantum.ansatz import PAULI_LABELS
from qfin.training.mmd import median_bandwidths

BASIS = HermiteBasis(4)
ANSATZ = Ansatz.identity(4, np.array([[1, 3], [0, 1], [2, 3]]))
FREE = real_angles(ANSATZ, [0])
TARGET = np.zeros(ANSATZ.n_params)
TARGET[FREE] = [0.1, 0.35, -0.1, 0.3, 0.05, 0.1]
START = np.zeros(ANSATZ.n_params)
SETTINGS = ShotSettings(
    shots=500, validation_shots=2000, batch_size=400, check_every=5, first_step=0.1, perturbation=0.3, n_probes=3
)


def run(**changes: object) -> dict[str, object]:
    """Arguments of a short run on draws of the target's own decoded law."""
    y = sample_circuit(to_qiskit(ANSATZ, TARGET), BASIS, 2, 1200, sampler=AerCircuitSampler(), rng=21)
    defaults: dict[str, object] = {
        "ansatz": ANSATZ, "y": y, "sampler": AerCircuitSampler(), "basis": BASIS, "n_registers": 2,
        "trainable": FREE, "settings": SETTINGS, "rng": 5,
    }  # fmt: skip
    return defaults | changes


def exact_mmd(params: np.ndarray, bandwidths: np.ndarray) -> float:
    """MMD² between the decoded laws of `params` and of the target, by quadrature within the cells."""
    edges, n_points = cell_edges(4), 200
    middles = (np.arange(n_points) + 0.5) / n_points
    values = ndtri(ndtr(edges[:-1, None]) + np.diff(ndtr(edges))[:, None] * middles)
    difference = node_law(params) - node_law(TARGET)
    total = 0.0
    for bandwidth in bandwidths:
        squares = (values[:, None, :, None] - values[None, :, None, :]) ** 2
        cells = np.exp(-squares / (2.0 * bandwidth**2)).mean(axis=(2, 3))
        total += np.einsum("ij,ik,jl,kl->", difference, cells, cells, difference)
    return float(total / len(bandwidths))


def node_law(params: np.ndarray) -> np.ndarray:
    transform = BASIS.transform()
    return np.abs(transform @ ANSATZ.state(params).reshape(4, 4) @ transform.T) ** 2


@dataclass
class CountingSampler:
    """Passes runs on and keeps count."""

    inner: CircuitSampler = field(default_factory=AerCircuitSampler)
    shots: list[int] = field(default_factory=list)

    def sample(self, circuit: object, shots: int, *, rng: object = None) -> np.ndarray:
        self.shots.append(shots)
        return self.inner.sample(circuit, shots, rng=rng)


def test_shots_alone_lower_the_exact_mmd() -> None:
    arguments = run()
    params, record = train_from_shots(params=START, n_steps=60, **arguments)
    bandwidths = median_bandwidths(arguments["y"])
    start, end = exact_mmd(START, bandwidths), exact_mmd(params, bandwidths)
    assert start > 0.003
    assert end < 0.3 * start
    assert record.kept_at > 0
    assert record.mmd_end < record.mmd_start
    assert not np.delete(params, FREE).any()


def test_a_good_start_is_kept() -> None:
    params, record = train_from_shots(
        params=TARGET, n_steps=4, **run(settings=replace(SETTINGS, first_step=1.5, check_every=2))
    )
    assert record.kept_at == 0
    np.testing.assert_array_equal(params, TARGET)
    assert record.mmd_start == record.mmd_end
    assert record.mmd[0] == record.mmd.min()


def test_everything_is_counted() -> None:
    sampler = CountingSampler()
    calls: list[tuple[int, int]] = []
    _, record = train_from_shots(
        params=START, n_steps=7, on_step=lambda step, total, _: calls.append((step, total)), **run(sampler=sampler)
    )
    assert record.n_executions == len(sampler.shots) == 2 * 3 + 2 * 7 + 3 + 2
    assert record.n_shots == sum(sampler.shots)
    np.testing.assert_array_equal(record.steps, [0, 5, 7])
    assert record.mmd.shape == (3,)
    assert record.losses.shape == record.gains.shape == record.step_norms.shape == (7,)
    assert (np.diff(record.gains) < 0.0).all()
    assert calls == [(step, 7) for step in range(1, 8)]
    assert set(record.to_arrays()) >= {"steps", "mmd", "kept_at", "n_shots"}


def test_a_resumed_run_is_the_same_to_the_last_bit() -> None:
    process = shot_training(**run())
    state = process.init(START, rng=8)
    for _ in range(6):
        state, _ = process.step(state)
    stored = state.to_arrays()
    for _ in range(5):
        state, _ = process.step(state)
    resumed = ShotTrainingState.from_arrays(stored)
    again = shot_training(**run())
    while resumed.spsa.step < 11:
        resumed, _ = again.step(resumed)
    for name, value in state.to_arrays().items():
        np.testing.assert_array_equal(value, resumed.to_arrays()[name], err_msg=name)
    np.testing.assert_array_equal(process.finish(state)[0], again.finish(resumed)[0])


def test_one_seed_twice_agrees_and_two_seeds_differ() -> None:
    results = [train_from_shots(params=START, n_steps=2, **run(rng=seed))[1] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(results[0].losses, results[1].losses)
    assert (results[0].losses != results[2].losses).all()


def test_held_out_observations_and_finer_grids_can_be_given() -> None:
    y = np.random.default_rng(0).standard_normal((300, 2))
    settings = replace(SETTINGS, n_extra=1)
    process = shot_training(**run(y=y[:200], y_validation=y[200:], settings=settings, trainable=None))
    assert {tuple(row) for row in process.held_out.values} == {tuple(row) for row in y[200:]}
    assert {tuple(row) for row in process.observed.values} <= {tuple(row) for row in y[:200]}
    assert len(process.trainable) == ANSATZ.n_params
    state, _ = process.step(process.init(START, rng=0))
    assert state.spsa.step == 1


def test_held_out_rows_are_not_trained_on() -> None:
    process = shot_training(**run(y=np.random.default_rng(0).standard_normal((100, 2))))
    held, trained = ({tuple(row) for row in part.values} for part in (process.held_out, process.observed))
    assert (len(held), len(trained)) == (25, 75)
    assert not held & trained


def test_angles_with_one_y_are_those_that_move_a_real_circuit() -> None:
    # at a real circuit the probabilities of real measurements do not change to first order along the others
    ansatz = Ansatz.identity(4, np.array([[0, 1], [1, 2], [3, 2], [3, 0]]))
    point = np.zeros(ansatz.n_params)
    point[real_angles(ansatz)] = 0.5 * np.random.default_rng(3).standard_normal(24)
    circuit = ansatz.absorbed(point)
    assert np.abs(circuit.state().imag).max() < 1e-12
    step, moves = 1e-4, set(real_angles(circuit).tolist())
    for angle in range(circuit.n_params):
        shift = np.zeros(circuit.n_params)
        shift[angle] = step
        slope = np.abs(circuit.state(shift)) ** 2 - np.abs(circuit.state(-shift)) ** 2
        assert (np.abs(slope).max() > 1e-3 * step) == (angle in moves), angle


def test_masked_angles_with_one_y_are_found_among_the_parameters() -> None:
    active = np.random.default_rng(4).random((3, 15)) < 0.5
    ansatz = Ansatz(3, np.array([[0, 1], [1, 2], [0, 2]]), np.tile(np.eye(4), (3, 1, 1)), active)
    names = [label for row in active for label, on in zip(PAULI_LABELS, row, strict=True) if on]
    expected = [place for place, label in enumerate(names) if label.count("Y") == 1]
    assert 0 < len(expected) < len(names)
    assert real_angles(ansatz).tolist() == expected
    first = int(active[0].sum())
    assert real_angles(ansatz, [1]).tolist() == [i for i in expected if first <= i < first + active[1].sum()]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="y: expected 2 columns, received 3"):
        shot_training(**run(y=np.zeros((50, 3))))
    with pytest.raises(InputError, match="trainable: expected indices 0 … 44"):
        shot_training(**run(trainable=[0, 45]))
    with pytest.raises(InputError, match="held_out_fraction: expected a share"):
        ShotSettings(held_out_fraction=1.0)
    with pytest.raises(InputError, match="shots: expected a larger number, received 1"):
        ShotSettings(shots=1)
    with pytest.raises(InputError, match=r"params: expected shape \(45,\)"):
        shot_training(**run()).init(np.zeros(3), rng=0)
