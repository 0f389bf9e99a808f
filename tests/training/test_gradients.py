"""The gradient of every loss through a circuit, against central differences and the parameter-shift rule.

Each loss is a function of numbers that are linear in the state's density matrix: probabilities of outcomes, densities
at observations. For exp(iθP) with one Pauli these follow f'(θ) = f(θ + π/4) − f(θ − π/4) exactly, and the chain rule
does the rest; a shift of the loss itself would be wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import unitary_group

from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite
from qfin.born.undoing import undoing
from qfin.quantum import Ansatz, statevector
from qfin.quantum.engine import log_ratio, precision
from qfin.training.kl import kl_divergence, negative_log_likelihood
from qfin.training.local_fidelity import global_infidelity, local_infidelity
from qfin.training.mmd_exact import gaussian_kernels, mmd_squared_exact

RNG = np.random.default_rng(1)
PAIRS = np.array([(0, 1), (3, 1), (2, 0)])
ANSATZ = Ansatz(4, PAIRS, unitary_group.rvs(4, size=3, random_state=RNG))
LOADER = Ansatz(4, PAIRS[::-1], unitary_group.rvs(4, size=3, random_state=RNG))
UNDOING = undoing(ANSATZ, LOADER)
TRANSFORM = np.kron(HermiteBasis(4).transform(), HermiteBasis(4).transform())
TARGET = np.abs(TRANSFORM @ LOADER.state()) ** 2
FEATURES = HermiteBasis(4).features(RNG.standard_normal((25, 2)))
KERNELS = gaussian_kernels(gauss_hermite(4)[0], 2, 0.9)
SIZE = ANSATZ.n_params

Vector = np.ndarray


@dataclass(frozen=True)
class Case:
    """A loss in JAX; the same as `outer(linear(params))` in NumPy, with the slope of `outer`."""

    compiled: Callable[[Any], Any]
    linear: Callable[[Vector], Vector]
    outer: Callable[[Vector], float]
    slope: Callable[[Vector], Vector]


def state(params: Any) -> Any:
    return statevector(ANSATZ, params, dtype="complex128")


def undone(params: Any) -> Any:
    return statevector(UNDOING.ansatz, UNDOING.angles(params), dtype="complex128")


def node_law(amplitudes: Any) -> Any:
    nodes = TRANSFORM @ amplitudes
    return nodes.real**2 + nodes.imag**2


def densities(params: Vector) -> Vector:
    amplitudes = ANSATZ.state(params).reshape(4, 4)
    return np.abs(np.einsum("kl,nk,nl->n", amplitudes, FEATURES[:, 0], FEATURES[:, 1])) ** 2


def undone_law(params: Vector) -> Vector:
    # U†|φ⟩ from the dense matrix U, all its columns at once, which the losses have no part in
    columns = np.eye(16, dtype=complex).reshape(16, 2, 2, 2, 2)
    for (a, b), block in zip(PAIRS.tolist(), ANSATZ.unitaries(params), strict=True):
        moved = np.moveaxis(columns, (a + 1, b + 1), (0, 1))
        columns = np.moveaxis((block @ moved.reshape(4, -1)).reshape(moved.shape), (0, 1), (a + 1, b + 1))
    return np.abs(columns.reshape(16, 16).conj() @ LOADER.state()) ** 2


ZEROS = (np.array([bin(index).count("0") - 1 for index in range(16, 32)])) / 4.0
DENSE_KERNEL = np.kron(*KERNELS)
CASES = {
    "nll": Case(
        lambda params: negative_log_likelihood(log_ratio(state(params), FEATURES)),
        densities,
        lambda v: -float(np.log(v).mean()),
        lambda v: -1.0 / (len(v) * v),
    ),
    "kl": Case(
        lambda params: kl_divergence(jnp.asarray(TARGET), node_law(state(params))),
        lambda params: node_law(ANSATZ.state(params)),
        lambda v: float((TARGET * np.log(TARGET / v)).sum()),
        lambda v: -TARGET / v,
    ),
    "mmd": Case(
        lambda params: mmd_squared_exact(node_law(state(params)), jnp.asarray(TARGET), KERNELS),
        lambda params: node_law(ANSATZ.state(params)),
        lambda v: float((v - TARGET) @ DENSE_KERNEL @ (v - TARGET)),
        lambda v: 2.0 * DENSE_KERNEL @ (v - TARGET),
    ),
    "local infidelity": Case(
        lambda params: local_infidelity(undone(params)),
        undone_law,
        lambda v: 1.0 - float(ZEROS @ v),
        lambda v: -ZEROS,
    ),
    "global infidelity": Case(
        lambda params: global_infidelity(undone(params)),
        undone_law,
        lambda v: 1.0 - float(v[0]),
        lambda v: -np.eye(16)[0],
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case_and_gradient(request: pytest.FixtureRequest) -> tuple[Case, Callable[[Vector], tuple[float, Vector]]]:
    case = CASES[request.param]
    with precision("complex128"):
        compiled = jax.jit(jax.value_and_grad(case.compiled))

    def value_and_gradient(params: Vector) -> tuple[float, Vector]:
        with precision("complex128"):
            value, gradient = compiled(jnp.asarray(params))
        return float(value), np.asarray(gradient)

    return case, value_and_gradient


def points() -> dict[str, tuple[Vector, Vector]]:
    """Angles, and those along which the rule holds: all at zero, one a block away from it, none where all are moved."""
    rng = np.random.default_rng(2)
    single, active = np.zeros(SIZE), 15 * np.arange(3) + rng.integers(15, size=3)
    single[active] = rng.uniform(-np.pi, np.pi, 3)
    return {
        "zero": (np.zeros(SIZE), np.arange(SIZE)),
        "one angle a block": (single, active),
        "anywhere": (rng.standard_normal(SIZE), np.array([], dtype=int)),
    }


@pytest.mark.parametrize("point", points())
def test_gradient_equals_differences_and_shifts(case_and_gradient: Any, point: str) -> None:
    case, value_and_gradient = case_and_gradient
    params, shiftable = points()[point]
    value, gradient = value_and_gradient(params)
    assert value == pytest.approx(case.outer(case.linear(params)), abs=1e-12)
    assert np.abs(gradient).max() > 1e-3
    step = 1e-5
    differences = [
        (case.outer(case.linear(params + shift)) - case.outer(case.linear(params - shift))) / (2.0 * step)
        for shift in step * np.eye(SIZE)
    ]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-7)
    weights = case.slope(case.linear(params))
    shifts = np.pi / 4.0 * np.eye(SIZE)
    by_shift = [weights @ (case.linear(params + shifts[i]) - case.linear(params - shifts[i])) for i in shiftable]
    np.testing.assert_allclose(gradient[shiftable], by_shift, rtol=1e-9, atol=1e-10)
