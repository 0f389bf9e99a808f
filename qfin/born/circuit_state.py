"""What the state of a circuit says of observations: amplitudes, exact draws, mutual information of its registers.

Two siblings: `DenseState` holds all 2^n amplitudes; `WideState` holds a matrix product state with a bond limit, and
observes through `qfin.quantum.window`, which is exact, wherever few enough qubits are alive at a time.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import rel_entr

from qfin._types import AnyArray, ComplexArray, FloatArray
from qfin.basis import HermiteBasis
from qfin.basis.hermite import hermite_functions, product_coefficients
from qfin.born.conditionals import draw_coordinate
from qfin.quantum.ansatz import Ansatz

# Numbers held at a time while observing or drawing: bounds memory whatever the number of rows.
_CHUNK_SIZE = 2**22
_ROWS = 1024  # observations of a wide circuit at a time, filled up with zeros: one compilation serves every table
MAX_STATE_QUBITS = 20
"""Up to this width a circuit is held as a state vector."""
MAX_WINDOW = 12
"""Most qubits alive at a time for observing exactly: beyond, the bond limit is faster than 2^13 amplitudes a day."""


class CircuitState(Protocol):
    """A normalised state over registers of K functions each.

    `error` bounds ‖exact − kept‖ of the state that draws come from, `observing_error` of the one that is observed.
    """

    @property
    def error(self) -> float: ...

    @property
    def observing_error(self) -> float: ...

    def amplitudes(self, y: FloatArray) -> ComplexArray:
        """Ψ(y), shape (n,)."""

    def log_ratio(self, y: FloatArray) -> FloatArray:
        """log |Ψ(y)|², shape (n,); an exact zero counts as the smallest normal number."""

    def draw(self, uniforms: FloatArray) -> FloatArray:
        """One draw of y per row of uniforms (n, d)."""

    def mutual_information(self) -> FloatArray:
        """Of the registers measured on K Gauss–Hermite nodes, shape (d, d), nats; zero on the diagonal."""


@dataclass(frozen=True)
class DenseState:
    """All amplitudes (K**d,), register 0 the most significant."""

    vector: ComplexArray
    n_registers: int
    basis: HermiteBasis
    error: float = 0.0
    observing_error: float = 0.0

    def amplitudes(self, y: FloatArray) -> ComplexArray:
        from qfin.quantum.engine import psi

        return self._observed(y, psi)

    def log_ratio(self, y: FloatArray) -> FloatArray:
        from qfin.quantum.engine import log_ratio

        return self._observed(y, log_ratio)

    def _observed(self, y: FloatArray, function: Any) -> AnyArray:
        half = self.n_registers - self.n_registers // 2
        rows = max(64, _CHUNK_SIZE // self.basis.n_functions**half)
        chunks = [y[i : i + rows] for i in range(0, len(y), rows)]
        return np.concatenate([function(self.vector, self.basis.features(chunk)) for chunk in chunks])

    def draw(self, uniforms: FloatArray) -> FloatArray:
        rows = max(64, _CHUNK_SIZE * self.basis.n_functions // len(self.vector))
        return _in_chunks(self._complete, uniforms, rows)

    def _complete(self, uniforms: FloatArray) -> FloatArray:
        """Each register from its density given those before it."""
        n_samples, size = len(uniforms), self.basis.n_functions
        y = np.empty_like(uniforms)
        branches = self.vector.reshape(1, size, -1)
        for i in range(self.n_registers):
            y[:, i], vector = _drawn(branches, uniforms[:, i])
            branches = vector.reshape(n_samples, size, -1) if i < self.n_registers - 1 else branches
        return y

    def mutual_information(self) -> FloatArray:
        transform, d = self.basis.transform(), self.n_registers
        nodes = self.vector.reshape((len(transform),) * d)
        for _ in range(d):
            nodes = np.tensordot(nodes, transform, axes=((0,), (1,)))
        probabilities = nodes.real**2 + nodes.imag**2
        return _information(d, lambda i, j: probabilities.sum(axis=tuple(k for k in range(d) if k not in (i, j))))


@dataclass(frozen=True)
class WideState:
    """The state of `ansatz` at `params` as right-canonical sites (left, K, right), one a register."""

    ansatz: Ansatz
    params: FloatArray
    n_qubits_per_register: int
    sites: list[AnyArray]
    error: float
    exact_window: bool

    @classmethod
    def of(cls, ansatz: Ansatz, params: FloatArray, n_qubits_per_register: int, max_bond: int) -> "WideState":
        """Bonds of at most `max_bond`; see `qfin.born.mapping.circuit_tensors` for the error."""
        from qfin.born.mapping import circuit_tensors, register_tensors

        tensors, error = circuit_tensors(ansatz, params, max_bond=max_bond)
        sites = right_canonical(register_tensors(tensors, n_qubits_per_register))
        return cls(ansatz, params, n_qubits_per_register, sites, error, has_exact_window(ansatz, n_qubits_per_register))

    @property
    def observing_error(self) -> float:
        return 0.0 if self.exact_window else self.error

    @property
    def _basis(self) -> HermiteBasis:
        return HermiteBasis(2**self.n_qubits_per_register)

    def amplitudes(self, y: FloatArray) -> ComplexArray:
        value, scale = self._scaled(y)
        return np.asarray(value * np.exp(scale))

    def log_ratio(self, y: FloatArray) -> FloatArray:
        value, scale = self._scaled(y)
        density = np.maximum(value.real**2 + value.imag**2, np.finfo(float).tiny)
        return np.asarray(np.log(density) + 2.0 * scale)

    def _scaled(self, y: FloatArray) -> tuple[ComplexArray, FloatArray]:
        """Ψ(y)·exp(−s) and s, both (n,)."""
        observed = self._by_window if self.exact_window else self._by_sites
        chunks = [observed(self._basis.features(y[i : i + _ROWS])) for i in range(0, len(y), _ROWS)]
        values, scales = zip(*chunks, strict=True)
        return np.concatenate(values), np.concatenate(scales)

    def _by_window(self, features: FloatArray) -> tuple[ComplexArray, FloatArray]:
        from qfin.quantum.window import window_psi

        n = len(features)
        filled = np.zeros((_ROWS, *features.shape[1:]))
        filled[:n], filled[n:, :, 0] = features, 1.0
        value, scale = window_psi(self.ansatz, self.params, filled, dtype="complex128")
        return np.asarray(value)[:n], scale[:n]

    def _by_sites(self, features: FloatArray) -> tuple[ComplexArray, FloatArray]:
        from qfin.born.mps import advance

        vector: AnyArray = np.ones((len(features), 1))
        scale = np.zeros(len(features))
        for i, site in enumerate(self.sites):
            vector = advance(vector, site, features[:, i])
            norms = np.maximum(np.linalg.norm(vector, axis=1), np.finfo(float).tiny)
            vector, scale = vector / norms[:, None], scale + np.log(norms)
        return vector[:, 0], scale

    def draw(self, uniforms: FloatArray) -> FloatArray:
        widest = max(site.size for site in self.sites)
        return _in_chunks(self._complete, uniforms, max(64, _CHUNK_SIZE // widest))

    def _complete(self, uniforms: FloatArray) -> FloatArray:
        y = np.empty_like(uniforms)
        vector: AnyArray = np.ones((len(uniforms), 1))
        for i, site in enumerate(self.sites):
            left, size, right = site.shape
            branches = (vector @ site.reshape(left, -1)).reshape(-1, size, right)
            y[:, i], vector = _drawn(branches, uniforms[:, i])
        return y

    def mutual_information(self) -> FloatArray:
        transform = self._basis.transform()
        nodes = [np.einsum("lkr,nk->nlr", site, transform) for site in self.sites]
        density = [np.ones((1, 1), dtype=complex)]
        for site in nodes:
            density.append(np.einsum("nlr,lm,nms->rs", site.conj(), density[-1], site, optimize=True))

        def joint(i: int, j: int) -> FloatArray:
            edges = np.einsum("nlr,lm,nms->nrs", nodes[i].conj(), density[i], nodes[i], optimize=True)
            for site in nodes[i + 1 : j]:
                edges = np.einsum("nlr,alm,nms->ars", site.conj(), edges, site, optimize=True)
            both = np.einsum("nlr,alm,nmr->an", nodes[j].conj(), edges, nodes[j], optimize=True)
            return np.asarray(both.real)

        return _information(len(nodes), joint)


def is_wide(ansatz: Ansatz) -> bool:
    """Whether the circuit has too many qubits for a state vector."""
    return ansatz.n_qubits > MAX_STATE_QUBITS


def has_exact_window(ansatz: Ansatz, n_qubits_per_register: int) -> bool:
    """Whether few enough qubits are alive at a time for observing without truncation."""
    from qfin.quantum.window import window_width

    return ansatz.n_blocks > 0 and window_width(ansatz, n_qubits_per_register) <= MAX_WINDOW


def right_canonical(sites: list[AnyArray]) -> list[AnyArray]:
    """The same state with Σ_{k,r} A[l,k,r] A*[l',k,r] = δ at every site."""
    sites, carry = list(sites), np.eye(1)
    for i in range(len(sites) - 1, -1, -1):
        site = np.tensordot(sites[i], carry, axes=1)
        left, size, right = site.shape
        q, r = np.linalg.qr(site.reshape(left, size * right).T)
        sites[i], carry = q.T.reshape(-1, size, right), r.T
    sites[0] = sites[0] * (carry[0, 0] / abs(carry[0, 0]))
    return sites


def _drawn(branches: AnyArray, uniforms: FloatArray) -> tuple[FloatArray, AnyArray]:
    """A register's values (n,) and what is left of the state given them (n, r), norm one.

    `branches` (n or 1, K, r): amplitude Σ_k B[k, r] h_k(y) in branch r.
    """
    size = branches.shape[1]
    overlaps = (branches @ branches.conj().transpose(0, 2, 1)).real
    moments = product_coefficients(size).reshape(size * size, -1).T @ overlaps.reshape(-1, size * size).T
    y = draw_coordinate(np.broadcast_to(moments / moments[0], (len(moments), len(uniforms))), uniforms)
    features = hermite_functions(y, size)
    vector = features @ branches[0] if len(branches) == 1 else np.matmul(features[:, None, :], branches)[:, 0]
    return y, vector / np.linalg.norm(vector, axis=1, keepdims=True)


def _in_chunks(function: Any, uniforms: FloatArray, rows: int) -> FloatArray:
    draws = [function(uniforms[i : i + rows]) for i in range(0, len(uniforms), rows)]
    return np.concatenate([np.empty((0, uniforms.shape[1])), *draws])


def _information(n_registers: int, joint: Any) -> FloatArray:
    """Mutual information of all pairs from `joint(i, j)`, probabilities (K, K)."""
    information = np.zeros((n_registers, n_registers))
    for i in range(n_registers):
        for j in range(i + 1, n_registers):
            both = joint(i, j)
            independent = np.outer(both.sum(axis=1), both.sum(axis=0))
            information[i, j] = information[j, i] = rel_entr(np.maximum(both, 0.0), independent).sum()
    return information
