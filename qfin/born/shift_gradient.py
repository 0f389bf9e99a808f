"""Gradient of the MMD between decoded shots and observations, from shots alone, by parameter shift."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_matrix
from qfin.basis import HermiteBasis
from qfin.born.decoding import decode_nodes
from qfin.quantum.measurement import measurement_circuit, node_indices
from qfin.quantum.samplers import PointSampler
from qfin.quantum.shift import shifted_shots

_BLOCK_ROWS = 512


def mmd_shift_gradient(
    circuit: Any,
    angles: ArrayLike,
    y: ArrayLike,
    bandwidths: ArrayLike,
    shots: int,
    *,
    basis: HermiteBasis,
    sampler: PointSampler,
    n_extra: int = 0,
    rng: RandomLike = None,
) -> tuple[FloatArray, FloatArray]:
    """Unbiased gradient of MMD² and the standard errors given the unshifted shots, both (n_angles,).

    MMD² is quadratic in the law of the shots, so a shift of MMD² itself would be wrong; its derivative by an angle is
    that of the mean of the witness 2 E k(·, x) − 2 mean k(·, y) over the shifted law (Liu & Wang 2018, eq. 6), with x
    drawn independently at the unshifted angles. All shots come from one job of 2 · n_angles + 1 points.

    Parameters
    ----------
    circuit
        Prepares the coefficients of Ψ with one parameter per angle, see `qfin.quantum.shift.rotation_circuit`.
    y
        Observations (n, n_registers); shots are decoded to values y as `qfin.born.decoding` does.
    bandwidths
        Of the Gaussian kernels, see `qfin.training.mmd.median_bandwidths`.
    """
    rng, observed = as_generator(rng), as_matrix(y, "y")
    n_registers, n_nodes = observed.shape[1], 2 ** (basis.n_qubits + n_extra)
    measured = measurement_circuit(circuit, basis.transform(n_nodes), n_registers, n_extra)
    job = shifted_shots(measured, angles, shots, sampler=sampler, rng=rng)
    decoded = _decoder(n_registers, n_nodes, rng)
    drawn, scales = decoded(job.middle), np.atleast_1d(np.asarray(bandwidths, dtype=np.float64))

    def witness(bits: AnyArray) -> FloatArray:
        values = decoded(bits.reshape(-1, bits.shape[-1]))
        means = _kernel_means(values, drawn, scales) - _kernel_means(values, observed, scales)
        return 2.0 * means.reshape(bits.shape[:-1])

    return job.gradient(witness)


def _decoder(n_registers: int, n_nodes: int, rng: np.random.Generator) -> Callable[[AnyArray], FloatArray]:
    return lambda bits: decode_nodes(node_indices(bits, n_registers), n_nodes, rng=rng)


def _kernel_means(x: FloatArray, y: FloatArray, bandwidths: FloatArray) -> FloatArray:
    """Mean over y and over the bandwidths of the Gaussian kernel at each row of x, shape (len(x),)."""
    means = np.empty(len(x))
    for i in range(0, len(x), _BLOCK_ROWS):
        distances = cdist(x[i : i + _BLOCK_ROWS], y, "sqeuclidean")
        means[i : i + _BLOCK_ROWS] = sum(np.exp(distances * (-0.5 / (s * s))).mean(axis=1) for s in bandwidths)
    return means / len(bandwidths)
