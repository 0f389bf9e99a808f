"""Masses and draws of confined registers against quadrature, rejection and the machine's own density."""

import numpy as np
import pytest
from scipy.special import ndtr

from qfin.basis.hermite import hermite_functions, normal_density
from qfin.born import MPSBornMachine

INF = np.inf


def random_machine(n_registers: int = 3, size: int = 4, bond: int = 3, seed: int = 0) -> MPSBornMachine:
    rng = np.random.default_rng(seed)
    bonds = [1] + [bond] * (n_registers - 1) + [1]
    tensors = [rng.standard_normal((bonds[i], size, bonds[i + 1])) * 0.3 for i in range(n_registers)]
    for tensor in tensors:
        tensor[0, 0, 0] += 1.0
    return MPSBornMachine.from_tensors(tensors)


def test_mass_equals_quadrature() -> None:
    machine = random_machine(2)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    first, second = 0.5 * 1.5 * nodes + 0.25, 0.5 * 3.0 * nodes - 1.7
    grid = np.array(np.meshgrid(first, second, indexing="ij")).reshape(2, -1).T
    density = np.exp(machine.log_ratio(grid)) * normal_density(grid).prod(1)
    expected = np.outer(0.75 * weights, 1.5 * weights).ravel() @ density
    assert machine.mass({0: [(-0.5, 1.0)], 1: [(-3.2, -0.2)]}) == pytest.approx(expected, rel=1e-12)


def test_masses_add_up_and_values_are_densities() -> None:
    machine = random_machine()
    parts = [machine.mass({1: [edges]}) for edges in ((-INF, -1.0), (-1.0, 0.3), (0.3, INF))]
    assert sum(parts) == pytest.approx(1.0, abs=1e-13)
    assert machine.mass({1: [(-INF, -1.0), (0.3, INF)]}) == pytest.approx(parts[0] + parts[2], rel=1e-13)
    y = np.array([[0.3, -1.2, 0.8]])
    at_point = machine.mass({i: [(value, value)] for i, value in enumerate(y[0])})
    assert np.log(at_point) == pytest.approx(machine.log_ratio(y)[0], abs=1e-12)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_far_tails_keep_their_digits(sign: float) -> None:
    """|0…0⟩ is the normal law, in either tail."""
    machine = MPSBornMachine.from_tensors([np.eye(6)[:1].reshape(1, 6, 1)] * 2)
    tail = (-INF, -5.5) if sign < 0 else (5.5, INF)
    assert machine.mass({0: [tail], 1: [tail]}) == pytest.approx(ndtr(-5.5) ** 2, rel=1e-10)
    draws = sign * machine.sample_confined({0: [tail]}, 20_000, rng=1)[:, 0]
    assert draws.min() > 5.5
    exact = ndtr(-5.7) / ndtr(-5.5)
    assert abs((draws > 5.7).mean() - exact) < 5 * np.sqrt(exact * (1 - exact) / 20_000)


def test_draws_equal_rejection() -> None:
    machine, n = random_machine(), 60_000
    confinement = {0: [(-INF, -0.8), (1.0, 1.6)], 2: [(0.2, INF)]}
    inside = lambda y: ((y[:, 0] < -0.8) | ((y[:, 0] > 1.0) & (y[:, 0] < 1.6))) & (y[:, 2] > 0.2)  # noqa: E731
    drawn = machine.sample_confined(confinement, n, rng=2)
    free = machine.sample(400_000, rng=3)
    oracle = free[inside(free)]
    assert inside(drawn).all()
    share = len(oracle) / len(free)
    assert abs(machine.mass(confinement) - share) < 5 * np.sqrt(share * (1 - share) / len(free))
    for f in (lambda y: y, lambda y: y * y, lambda y: hermite_functions(y[:, 1] * y[:, 0], 2)):
        a, b = f(drawn), f(oracle)
        error = np.sqrt(a.var(0) / len(a) + b.var(0) / len(b))
        assert np.all(np.abs(a.mean(0) - b.mean(0)) <= 5 * error)


def test_observed_registers_are_kept() -> None:
    machine, n = random_machine(), 50_000
    drawn = machine.sample_confined({1: [(0.7, 0.7)]}, n, rng=4)
    assert np.all(drawn[:, 1] == 0.7)
    free = machine.sample(2_000_000, rng=5)
    near = free[np.abs(free[:, 1] - 0.7) < 0.02]
    for column in (0, 2):
        error = np.sqrt(drawn[:, column].var() / n + near[:, column].var() / len(near))
        assert abs(drawn[:, column].mean() - near[:, column].mean()) < 5 * error + 1e-3
