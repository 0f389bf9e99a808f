"""Circuits too wide and too entangled for any exact state: matrix product states with a bond limit, and their error.

`qfin.quantum.window` is exact and far faster wherever few qubits are alive at a time. Here the circuit's state is a
matrix product state, truncated gate by gate, and so is each observation ⟨y| carried back through the circuit. The
gradient of Ψ(y) in a block is the overlap of the two with the block taken out (its environment), observation by
observation: compressing their sum would lose what is in few of them. Gates are unitary, so the norms lost add up to
rigorous bounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qfin._threads import one_blas_thread
from qfin._types import AnyArray, ComplexArray, FloatArray
from qfin.born.mapping import circuit_tensors
from qfin.born.staircase import CUTOFF
from qfin.exceptions import InputError
from qfin.quantum.ansatz import PAULIS, Ansatz

_SWAP = np.eye(4)[[0, 2, 1, 3]]


@dataclass(frozen=True)
class NetworkLikelihood:
    """Log-likelihood ratios of observations under a truncated circuit, and their gradient.

    Attributes
    ----------
    log_ratio : (n,) array
        log|Ψ(y)|², nats.
    gradient : (n_params,) array
        ∂/∂θ of Σ weights·log_ratio.
    state_error : float
        At most ‖exact − kept‖ of the circuit's state.
    observation_error : (n,) array
        The same of each observation carried back to the first gate, relative to its own norm.
    """

    log_ratio: FloatArray
    gradient: FloatArray
    state_error: float
    observation_error: FloatArray


def network_log_ratio(
    ansatz: Ansatz, params: ArrayLike | None, features: ArrayLike, *, max_bond: int | None = 64
) -> tuple[FloatArray, float]:
    """log|Ψ(y)|² of observations, features (n, d, K), and a bound ε on the norm lost to the bond limit.

    |Ψ(y)| is exact up to 2ε·Π‖features‖. An exact zero counts as the smallest normal number.
    """
    angles = None if params is None else ansatz.checked_params(params)
    tensors, error = circuit_tensors(ansatz, angles, max_bond=max_bond)
    bras, scale = _observations(features, ansatz.n_qubits)
    edge = np.ones((len(scale), 1, 1))
    for bra, tensor in zip(bras, tensors, strict=True):
        edge = _step_right(edge, bra, tensor[None])
    return _log_density(edge[:, 0, 0], scale), error


def network_gradient(
    ansatz: Ansatz,
    params: ArrayLike,
    features: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    max_bond: int | None = 64,
    observation_bond: int | None = 16,
) -> NetworkLikelihood:
    """Log-likelihood ratios of observations and the gradient of Σ weights·log|Ψ(y)|², `weights` 1/n by default.

    Without truncation (both errors zero) the gradient is exact. The cost grows with the number of observations: take
    batches.

    Parameters
    ----------
    features : array, shape (n, d, K)
        Basis functions at each observation, K = 2**m; the circuit has d·m qubits.
    max_bond, observation_bond : int, optional
        Bond limits of the circuit's state and of the observations carried back; None keeps all.
    """
    angles = ansatz.checked_params(params)
    bras, scale = _observations(features, ansatz.n_qubits)
    share = np.full(len(scale), 1.0 / len(scale)) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != scale.shape:
        raise InputError(f"weights: expected shape {scale.shape}, received {share.shape}")
    steps = _steps(ansatz, ansatz.unitaries(angles))
    with one_blas_thread():
        state = _Chains([np.array([1, 0], dtype=complex).reshape(1, 1, 2, 1)] * ansatz.n_qubits, max_bond)
        before = []
        for step in steps:
            state.move(step.site)
            before.append(list(state.sites))
            state.apply(step.site, step.matrix, to_right=True)
        observed = _Chains([bra.astype(complex) for bra in bras], observation_bond)
        observed.move(ansatz.n_qubits - 1)
        psi = _Edges().left(observed.sites, state.sites, ansatz.n_qubits)[:, 0, 0]
        slope = _environments(steps, before, observed, 2.0 * share / psi, ansatz.n_blocks)
    return NetworkLikelihood(
        _log_density(psi, scale), _through_blocks(ansatz, angles, slope), float(state.lost[0]), observed.lost
    )


@dataclass(frozen=True, eq=False)
class _Step:
    """A matrix on two neighbours; the gate of `block`, or a swap (−1). `flipped`: its pair runs from right to left."""

    site: int
    matrix: AnyArray
    block: int = -1
    flipped: bool = False


def _steps(ansatz: Ansatz, unitaries: ComplexArray) -> list[_Step]:
    """The blocks on neighbours: swaps bring distant qubits together and take them back."""
    steps = []
    for block, ((a, b), unitary) in enumerate(zip(ansatz.pairs.tolist(), unitaries, strict=True)):
        low, high = min(a, b), max(a, b)
        swaps = [_Step(site, _SWAP) for site in range(low, high - 1)]
        matrix = unitary if a < b else _SWAP @ unitary @ _SWAP
        steps += [*swaps, _Step(high - 1, matrix, block, a > b), *swaps[::-1]]
    return steps


class _Chains:
    """n matrix product states of equal bonds, sites (n, left, 2, right), canonical about `centre`.

    `lost` (n,) adds up the norms that the bond limit left out.
    """

    def __init__(self, sites: Sequence[AnyArray], max_bond: int | None) -> None:
        self.sites, self.max_bond, self.centre = list(sites), max_bond, 0
        self.lost = np.zeros(len(self.sites[0]))

    def move(self, site: int) -> None:
        """Carry the centre to `site`, by QR."""
        while self.centre < site:
            i = self.centre
            n, left, _, right = self.sites[i].shape
            q, r = np.linalg.qr(self.sites[i].reshape(n, 2 * left, right))
            self.sites[i], following = q.reshape(n, left, 2, -1), self.sites[i + 1]
            self.sites[i + 1] = (r @ following.reshape(n, right, -1)).reshape(n, -1, 2, following.shape[3])
            self.centre += 1
        while self.centre > site:
            i = self.centre
            n, left, _, right = self.sites[i].shape
            q, r = np.linalg.qr(self.sites[i].reshape(n, left, 2 * right).transpose(0, 2, 1))
            self.sites[i] = q.transpose(0, 2, 1).reshape(n, -1, 2, right)
            self.sites[i - 1] = self.sites[i - 1] @ r.transpose(0, 2, 1)[:, None]
            self.centre -= 1

    def apply(self, site: int, matrix: AnyArray, *, to_right: bool) -> None:
        """`matrix` on `site` and its right neighbour; the centre ends on one of them."""
        self.move(site if self.centre <= site else site + 1)
        theta = matrix @ _pair(self.sites, site)
        n, left, _, right = theta.shape
        u, s, v = np.linalg.svd(theta.reshape(n, 2 * left, 2 * right), full_matrices=False)
        keep = max(1, int((s > CUTOFF * s[:, :1]).sum(axis=1).max()))
        keep = keep if self.max_bond is None else min(keep, self.max_bond)
        self.lost += np.linalg.norm(s[:, keep:], axis=1)
        u, s, v = u[:, :, :keep], s[:, :keep], v[:, :keep]
        u, v = (u, s[:, :, None] * v) if to_right else (u * s[:, None], v)
        self.sites[site], self.sites[site + 1] = u.reshape(n, left, 2, keep), v.reshape(n, keep, 2, right)
        self.centre = site + 1 if to_right else site


def _pair(sites: Sequence[AnyArray], site: int) -> AnyArray:
    """Two neighbouring sites as one, shape (n, left, 4, right)."""
    first, second = sites[site], sites[site + 1]
    n, left, _, bond = first.shape
    joined = first.reshape(n, 2 * left, bond) @ second.reshape(n, bond, -1)
    return joined.reshape(n, left, 4, second.shape[3])


def _environments(
    steps: Sequence[_Step], before: Sequence[list[AnyArray]], observed: _Chains, weights: AnyArray, n_blocks: int
) -> ComplexArray:
    """Σ_n weights_n ∂Ψ_n/∂U of every block, shape (n_blocks, 4, 4); carries `observed` back to the start."""
    slope = np.zeros((n_blocks, 4, 4), dtype=complex)
    edges = _Edges()
    for step, sites in zip(reversed(steps), reversed(before), strict=True):
        site = step.site
        observed.move(site if observed.centre <= site else site + 1)
        if step.block >= 0:
            left = edges.left(observed.sites, sites, site)
            right = edges.right(observed.sites, sites, site + 2)
            found = weights @ _environment(left, _pair(observed.sites, site), right, _pair(sites, site)).reshape(-1, 16)
            matrix = found.reshape(4, 4)
            slope[step.block] = _SWAP @ matrix @ _SWAP if step.flipped else matrix
        observed.apply(site, step.matrix.T, to_right=False)
    return slope


def _environment(left: AnyArray, bra: AnyArray, right: AnyArray, ket: AnyArray) -> AnyArray:
    """∂Ψ/∂M for M between two pairs of sites, shape (n, 4, 4)."""
    n, left_bond, _, right_bond = bra.shape
    seen = (bra.reshape(n, -1, right_bond) @ right).reshape(n, left_bond, -1)
    seen = (left @ seen).reshape(n, ket.shape[1], 4, ket.shape[3]).transpose(0, 2, 1, 3).reshape(n, 4, -1)
    environment: AnyArray = seen @ ket[0].transpose(0, 2, 1).reshape(-1, 4)
    return environment


class _Edges:
    """Contractions of bras (n, …) with a ket (1, …) from both ends, kept until a site of either changes."""

    def __init__(self) -> None:
        self._left: list[tuple[AnyArray, AnyArray, AnyArray]] = []
        self._right: list[tuple[AnyArray, AnyArray, AnyArray]] = []

    def left(self, bras: Sequence[AnyArray], ket: Sequence[AnyArray], stop: int) -> AnyArray:
        """Sites before `stop`, shape (n, bond of ket, bond of bra)."""
        return _extended(self._left, bras[:stop], ket[:stop], _step_right)

    def right(self, bras: Sequence[AnyArray], ket: Sequence[AnyArray], start: int) -> AnyArray:
        """Sites from `start`, shape (n, bond of bra, bond of ket)."""
        return _extended(self._right, bras[start:][::-1], ket[start:][::-1], _step_left)


def _extended(
    cache: list[tuple[AnyArray, AnyArray, AnyArray]],
    bras: Sequence[AnyArray],
    ket: Sequence[AnyArray],
    step: Callable[[AnyArray, AnyArray, AnyArray], AnyArray],
) -> AnyArray:
    """The edge after all sites; what is unchanged since the last call is not computed again."""
    same = 0
    for (bra, tensor, _), now, then in zip(cache, bras, ket, strict=False):
        if bra is not now or tensor is not then:
            break
        same += 1
    del cache[same:]
    for bra, tensor in zip(bras[same:], ket[same:], strict=True):
        edge = cache[-1][2] if cache else np.ones((len(bra), 1, 1))
        cache.append((bra, tensor, step(edge, bra, tensor)))
    return cache[-1][2] if cache else np.ones((1, 1, 1))


def _step_right(edge: AnyArray, bra: AnyArray, ket: AnyArray) -> AnyArray:
    """(n, bond of ket, bond of bra) past one site."""
    n, _, _, right = bra.shape
    passed = (edge @ bra.reshape(n, bra.shape[1], -1)).reshape(n, -1, right)
    step: AnyArray = ket[0].reshape(-1, ket.shape[3]).T @ passed
    return step


def _step_left(edge: AnyArray, bra: AnyArray, ket: AnyArray) -> AnyArray:
    """(n, bond of bra, bond of ket) past one site, from the right."""
    n, left = bra.shape[:2]
    passed = (bra.reshape(n, 2 * left, -1) @ edge).reshape(n, left, -1)
    step: AnyArray = passed @ ket[0].reshape(ket.shape[1], -1).T
    return step


def _observations(features: ArrayLike, n_qubits: int) -> tuple[list[AnyArray], FloatArray]:
    """Observations as chains of norm one over qubits, without padding, and the logarithms of their norms (n,)."""
    from qfin.quantum.window import feature_sites

    values = np.asarray(features, dtype=np.float64)
    padded, scale = feature_sites(values, n_qubits)
    m = values.shape[2].bit_length() - 1
    bonds = [2 ** min(j, m - j) for j in range(m + 1)]
    sites = []
    for qubit, site in enumerate(padded):
        j = qubit % m
        sites.append(np.ascontiguousarray(site[: bonds[j], :, : bonds[j + 1]].transpose(3, 0, 1, 2)))
    return sites, scale


def _log_density(psi: AnyArray, scale: FloatArray) -> FloatArray:
    density = psi.real**2 + psi.imag**2
    log_density: FloatArray = np.log(np.maximum(density, np.finfo(float).tiny)) + 2.0 * scale
    return log_density


def _through_blocks(ansatz: Ansatz, angles: FloatArray, slope: ComplexArray) -> FloatArray:
    """From Re Σ slope·dU to the gradient in the parameters.

    With H = Σ θP = V λ V†: d exp(iH) = V (Φ ∘ V†dH V) V†, Φ_ab = i·exp(i(λ_a + λ_b)/2)·sin(δ)/δ, δ = (λ_a − λ_b)/2
    (Daleckii and Krein 1965).
    """
    values, vectors = np.linalg.eigh(np.tensordot(ansatz.angles(angles), PAULIS, axes=1))
    mean, half = (values[:, :, None] + values[:, None]) / 2.0, (values[:, :, None] - values[:, None]) / 2.0
    divided = 1j * np.exp(1j * mean) * np.sinc(half / np.pi)
    turned = vectors.transpose(0, 2, 1) @ (ansatz.fixed.transpose(0, 2, 1) @ slope) @ vectors.conj()
    back = vectors.conj() @ (turned * divided) @ vectors.transpose(0, 2, 1)
    gradient: FloatArray = np.einsum("bij,pij->bp", back, PAULIS).real[ansatz.active]
    return gradient
