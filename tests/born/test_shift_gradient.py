"""The gradient of MMD² from shots against that of the exact MMD² between decoded laws."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from qfin.basis import HermiteBasis
from qfin.born.decoding import cell_edges
from qfin.born.shift_gradient import mmd_shift_gradient
from qfin.quantum import AerCircuitSampler, Ansatz, StatevectorCircuitSampler
from qfin.quantum.samplers import PointSampler
from qfin.quantum.shift import rotation_circuit, rotation_unitaries

BASIS = HermiteBasis(4)
BANDWIDTHS = np.array([0.5, 1.5])
ANSATZ = Ansatz.identity(4, np.array([[1, 3], [0, 1], [2, 3]])).absorbed(
    0.2 * np.random.default_rng(1).standard_normal(45)
)
TRAINABLE = np.array([0, 4, 8, 11, 14, 20, 33])
Y = np.random.default_rng(2).standard_normal((60, 2)) @ np.array([[1.0, 0.5], [0.0, 0.8]])


def exact_mmd(angles: np.ndarray, n_extra: int, n_points: int = 400) -> float:
    """MMD² of the decoded law against Y, up to a constant, by the midpoint rule within each cell."""
    basis_transform = BASIS.transform(4 * 2**n_extra)
    state = Ansatz(4, ANSATZ.pairs, rotation_unitaries(ANSATZ, angles)).state().reshape(4, 4)
    law = np.abs(basis_transform @ state @ basis_transform.T) ** 2
    edges, middles = cell_edges(len(law)), (np.arange(n_points) + 0.5) / n_points
    values = ndtri(ndtr(edges[:-1, None]) + np.diff(ndtr(edges))[:, None] * middles)
    total = 0.0
    for s in BANDWIDTHS:
        within = np.stack(
            [np.exp(-((row[:, None, None] - values[None]) ** 2) / (2.0 * s * s)).mean(axis=(0, 2)) for row in values]
        )
        to_data = np.exp(-((values[:, :, None, None] - Y) ** 2) / (2.0 * s * s)).mean(axis=1)
        total += np.einsum("ij,ik,jl,kl->", law, within, within, law)
        total -= 2.0 * np.einsum("ij,in,jn->", law, to_data[..., 0], to_data[..., 1]) / len(Y)
    return float(total / len(BANDWIDTHS))


@pytest.mark.parametrize(
    ("sampler", "n_extra"), [(AerCircuitSampler(), 0), (StatevectorCircuitSampler(), 1)], ids=["aer", "finer grid"]
)
def test_the_gradient_is_unbiased_however_few_the_shots(sampler: PointSampler, n_extra: int) -> None:
    angles, step, repeats = np.zeros(45), 1e-4, 30
    angles[TRAINABLE] = np.random.default_rng(3).uniform(-0.5, 0.5, len(TRAINABLE))
    exact = []
    for e in step * np.eye(45)[TRAINABLE]:
        exact.append((exact_mmd(angles + e, n_extra) - exact_mmd(angles - e, n_extra)) / (2.0 * step))
    circuit, rng = rotation_circuit(ANSATZ, TRAINABLE), np.random.default_rng(4)
    estimates, errors = zip(
        *(
            mmd_shift_gradient(
                circuit, angles[TRAINABLE], Y, BANDWIDTHS, 40, basis=BASIS, sampler=sampler, n_extra=n_extra, rng=rng
            )
            for _ in range(repeats)
        ),
        strict=True,
    )
    error = np.std(estimates, axis=0, ddof=1) / np.sqrt(repeats)
    assert np.abs(exact).max() > 10.0 * error.min()
    assert (np.abs(np.mean(estimates, axis=0) - exact) <= 5.0 * error).all()
    # the errors returned leave out the noise of the unshifted shots; a spread over n repeats is known to 1/√2n
    assert (np.mean(errors, axis=0) <= (1.0 + 5.0 / np.sqrt(2.0 * repeats)) * np.std(estimates, axis=0, ddof=1)).all()
