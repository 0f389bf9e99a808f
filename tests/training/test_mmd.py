"""MMD against a double loop and against its own law."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite
from qfin.exceptions import InputError
from qfin.quantum import Ansatz, StatevectorCircuitSampler, to_qiskit
from qfin.quantum.measurement import measurement_circuit, node_indices
from qfin.training.mmd import mean_kernel, mean_kernel_within, median_bandwidths, mmd_squared
from qfin.training.mmd_exact import gaussian_kernels, mmd_squared_exact

BANDWIDTHS = np.array([0.5, 1.0, 3.0])


def kernel(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean([np.exp(-((a - b) ** 2).sum() / (2.0 * s * s)) for s in BANDWIDTHS]))


def test_equals_the_double_loop() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((17, 3)), 0.5 + rng.standard_normal((11, 3))
    within_x = np.mean([kernel(x[i], x[j]) for i in range(17) for j in range(17) if i != j])
    within_y = np.mean([kernel(y[i], y[j]) for i in range(11) for j in range(11) if i != j])
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert mmd_squared(x, y, BANDWIDTHS) == pytest.approx(within_x + within_y - 2.0 * across, abs=1e-12)
    assert mmd_squared(x, y, BANDWIDTHS, within_y=within_y) == pytest.approx(mmd_squared(x, y, BANDWIDTHS), abs=1e-12)


def test_blocks_change_nothing() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((1100, 2)), rng.standard_normal((700, 2))
    full = np.mean([np.exp(-cdist(x, y, "sqeuclidean") / (2.0 * s * s)) for s in BANDWIDTHS])
    assert mean_kernel(x, y, BANDWIDTHS) == pytest.approx(full, rel=1e-12)
    square = np.mean([np.exp(-cdist(x, x, "sqeuclidean") / (2.0 * s * s)) for s in BANDWIDTHS], axis=0)
    off_diagonal = (square.sum() - len(x)) / (len(x) * (len(x) - 1))
    assert mean_kernel_within(x, BANDWIDTHS) == pytest.approx(off_diagonal, rel=1e-12)


def test_unbiased_under_the_null_and_positive_off_it() -> None:
    rng, repeats = np.random.default_rng(2), 400
    same = np.array([mmd_squared(*rng.standard_normal((2, 25, 2)), BANDWIDTHS) for _ in range(repeats)])
    assert abs(same.mean()) <= 5.0 * same.std(ddof=1) / np.sqrt(repeats)
    assert (same < 0.0).any()
    apart = mmd_squared(rng.standard_normal((500, 2)), 0.7 + rng.standard_normal((500, 2)), BANDWIDTHS)
    assert apart > same.max()


def test_equals_the_closed_form_between_normals() -> None:
    # E exp(−(x − y)²/2σ²) = σ/√(σ² + v) exp(−m²/2(σ² + v)) for x − y normal with mean m and variance v
    rng, n, shift, sigma = np.random.default_rng(3), 4000, 0.6, 0.8
    x, y = rng.standard_normal((n, 1)), shift + rng.standard_normal((n, 1))
    total = sigma**2 + 2.0
    exact = 2.0 * sigma / np.sqrt(total) * (1.0 - np.exp(-(shift**2) / (2.0 * total)))
    parts = [mmd_squared(x[i : i + 400], y[i : i + 400], sigma) for i in range(0, n, 400)]
    assert abs(np.mean(parts) - exact) <= 5.0 * np.std(parts, ddof=1) / np.sqrt(len(parts))


def test_median_bandwidths_scale_with_the_data() -> None:
    y = np.random.default_rng(4).standard_normal((300, 3))
    bandwidths = median_bandwidths(y)
    np.testing.assert_allclose(bandwidths[2], np.median(cdist(y, y)[np.triu_indices(300, 1)]), rtol=1e-12)
    np.testing.assert_allclose(bandwidths[1:] / bandwidths[:-1], 2.0)
    np.testing.assert_allclose(median_bandwidths(5.0 * y), 5.0 * bandwidths)
    np.testing.assert_allclose(
        median_bandwidths(y, 1, max_rows=3), np.median(cdist(*[y[[0, 149, 299]]] * 2)[np.triu_indices(3, 1)])
    )


def test_wrong_input_is_refused() -> None:
    y = np.zeros((5, 2))
    with pytest.raises(InputError, match="expected rows that differ"):
        median_bandwidths(y)
    with pytest.raises(InputError, match="bandwidths: expected positive numbers"):
        mmd_squared(y, y, [1.0, 0.0])
    with pytest.raises(InputError, match="y: expected 2 columns, received 3"):
        mmd_squared(y, np.zeros((5, 3)), 1.0)
    with pytest.raises(InputError, match="x: expected at least 2 rows, received 1"):
        mmd_squared(y[:1], y, 1.0)


def test_unbiased_from_shots_of_a_circuit() -> None:
    ansatz = Ansatz.identity(4, np.array([[0, 1], [2, 3], [1, 2]]))
    params, other = 0.3 * np.random.default_rng(11).standard_normal((2, ansatz.n_params))
    transform, nodes = HermiteBasis(4).transform(), gauss_hermite(4)[0]
    p, q = (np.abs(np.kron(transform, transform) @ ansatz.state(angles)) ** 2 for angles in (params, other))
    exact = np.mean([mmd_squared_exact(p, q, gaussian_kernels(nodes, 2, sigma)) for sigma in BANDWIDTHS])
    repeats, shots = 400, 30
    measured = measurement_circuit(to_qiskit(ansatz, params), transform, 2)
    bits = StatevectorCircuitSampler().sample(measured, repeats * shots, rng=12)
    x = nodes[node_indices(bits, 2)].reshape(repeats, shots, 2)
    outcomes = np.random.default_rng(13).choice(16, size=(repeats, shots), p=q / q.sum())
    y = np.stack([nodes[outcomes // 4], nodes[outcomes % 4]], axis=-1)
    estimates = np.array([mmd_squared(a, b, BANDWIDTHS) for a, b in zip(x, y, strict=True)])
    error = estimates.std(ddof=1) / np.sqrt(repeats)
    assert abs(estimates.mean() - exact) < 5.0 * error
    # a kernel of each shot with itself, as the biased estimate counts, would be seen
    assert (1.0 - mean_kernel_within(x[0], BANDWIDTHS)) / shots > 5.0 * error
