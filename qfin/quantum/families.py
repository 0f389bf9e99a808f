"""Families of ansätze from the literature, as blocks of which some angles are parameters.

A rotation about a Pauli P by the angle φ of the literature is exp(−iφP/2): the parameter here is θ = −φ/2.
"""

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from qfin._types import BoolArray, ComplexArray
from qfin.exceptions import InputError
from qfin.quantum.ansatz import N_ANGLES, PAULI_LABELS, Ansatz

_CX = np.eye(4, dtype=complex)[[0, 1, 3, 2]]
_CZ = np.diag([1, 1, 1, -1]).astype(complex)
_HADAMARD = np.array([[1, 1], [1, -1]], dtype=complex) / np.sqrt(2.0)
_BELL = _CX @ np.kron(_HADAMARD, np.eye(2))
_ONE = np.eye(4, dtype=complex)

_FIRST = ("XI", "YI", "ZI")
_LOCAL = ("IX", "IY", "IZ", *_FIRST)
Block = tuple[tuple[int, int], ComplexArray, tuple[str, ...]]


def copula_ansatz(n_registers: int, n_qubits_per_register: int, n_layers: int) -> Ansatz:
    """Registers in a Bell (two) or GHZ (more) state, then circuits inside each register: every margin is uniform.

    Each layer turns every qubit freely (3 angles) and every pair of qubits inside a register about XX (1 angle):
    n_registers·(3m + m(m−1)/2) parameters a layer. At θ = 0 the registers are equal with certainty (comonotone). No
    gate joins two registers after the start, so each stays maximally mixed. Its copulas are a strict subset: for two
    registers p(x, y) = 2^−m |(U Vᵀ)_xy|² (Zhu et al., Phys. Rev. Research 4, 043092 (2022)).
    """
    if n_registers < 2 or n_qubits_per_register < 1 or n_layers < 1:
        raise InputError(
            "copula_ansatz: expected at least 2 registers, 1 qubit per register and 1 layer, "
            f"received {n_registers}, {n_qubits_per_register} and {n_layers}"
        )
    m = n_qubits_per_register
    registers = [range(r * m, (r + 1) * m) for r in range(n_registers)]
    blocks: list[Block] = [((q, q + m), _BELL if q < m else _CX, ()) for q in range((n_registers - 1) * m)]
    for _ in range(n_layers):
        for register in registers:
            blocks += _turns(register, n_registers * m, _ONE, _LOCAL, _FIRST)
            blocks += [(pair, _ONE, ("XX",)) for pair in combinations(register, 2)]
    return _ansatz(n_registers * m, blocks)


def ry_cz_ansatz(n_qubits: int, n_layers: int) -> Ansatz:
    """`n_layers` layers of RY on every qubit and CZ on neighbours, then RY on every qubit; real amplitudes.

    n_qubits·(n_layers + 1) parameters. At θ = 0 its state is |0…0⟩.
    """
    if n_qubits < 2 or n_layers < 1:
        raise InputError(f"ry_cz_ansatz: expected at least 2 qubits and 1 layer, received {n_qubits} and {n_layers}")
    qubits = range(n_qubits)
    blocks: list[Block] = []
    for _ in range(n_layers):
        blocks += _turns(qubits, n_qubits, _CZ, ("IY", "YI"), ("YI",))
        blocks += [((q, q + 1), _CZ, ()) for q in range(1, n_qubits - 1, 2)]
    blocks += _turns(qubits, n_qubits, _ONE, ("IY", "YI"), ("YI",))
    return _ansatz(n_qubits, blocks)


def _turns(
    qubits: range, n_qubits: int, after: ComplexArray, both: tuple[str, ...], single: tuple[str, ...]
) -> Iterable[Block]:
    """Every qubit turned once, two neighbours a block followed by `after`; an odd last one in a block that leaves its
    partner alone."""
    for first in qubits[: len(qubits) // 2 * 2 : 2]:
        yield (first, first + 1), after, both
    if len(qubits) % 2:
        last = qubits[-1]
        yield (last, last - 1 if last else n_qubits - 1), _ONE, single


def _ansatz(n_qubits: int, blocks: list[Block]) -> Ansatz:
    active: BoolArray = np.zeros((len(blocks), N_ANGLES), dtype=bool)
    for row, (_, _, labels) in enumerate(blocks):
        active[row, [PAULI_LABELS.index(label) for label in labels]] = True
    pairs = np.array([pair for pair, _, _ in blocks])
    return Ansatz(n_qubits, pairs, np.array([fixed for _, fixed, _ in blocks]), active)
