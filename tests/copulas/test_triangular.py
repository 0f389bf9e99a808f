"""The triangular Student-t map: the t copula as a member, exact gradients, and what it can learn that others cannot."""

from itertools import pairwise

import numpy as np
import pytest

from qfin.copulas import StudentTCopula, TriangularTCopula
from qfin.copulas import triangular as module
from qfin.copulas.order import chain_order, systemic_order
from qfin.exceptions import InputError

CORRELATION = np.array([[1.0, 0.5, -0.3], [0.5, 1.0, 0.2], [-0.3, 0.2, 1.0]])


def t_copula(nu: float = 6.0) -> StudentTCopula:
    return StudentTCopula.from_arrays({"correlation": CORRELATION, "degrees_of_freedom": np.array(nu)})


def test_the_t_copula_is_a_member() -> None:
    truth, copula = t_copula(), TriangularTCopula()
    copula.order_, copula.score_degrees_ = np.arange(3), 6.0
    copula._parameters = module._t_copula_parameters(CORRELATION, 6.0)
    u = truth.sample(200, rng=1)
    np.testing.assert_allclose(copula.logpdf(u), truth.logpdf(u), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(copula.rosenblatt(u), truth.rosenblatt(u), atol=1e-12)


def test_gradient_equals_finite_differences() -> None:
    rng = np.random.default_rng(2)
    rows = np.tril_indices(3, -1)
    z = rng.standard_t(5, (50, 3))
    values = module._t_copula_parameters(CORRELATION, 5.0).ravel(rows) + 0.1 * rng.standard_normal(15)
    _, gradient = module._value_and_gradient(values, z, rows)
    for i in range(len(values)):
        step = np.zeros(len(values))
        step[i] = 1e-6
        rise = (
            module._value_and_gradient(values + step, z, rows)[0]
            - module._value_and_gradient(values - step, z, rows)[0]
        )
        assert gradient[i] == pytest.approx(rise / 2e-6, abs=1e-7)


def test_on_t_data_it_loses_nothing_and_on_uneven_tails_it_gains() -> None:
    train, test = t_copula().sample(4_000, rng=3), t_copula().sample(20_000, rng=4)
    exact, fitted = t_copula().logpdf(test), TriangularTCopula().fit(train).logpdf(test)
    assert abs(fitted.mean() - exact.mean()) < 0.01
    # Two assets share a wild common scale, the third is Gaussian: one ν for all must be wrong somewhere.
    rng = np.random.default_rng(5)
    normal = rng.standard_normal((24_000, 3)) @ np.linalg.cholesky(CORRELATION).T
    normal[:, :2] *= np.sqrt(3.0 / rng.chisquare(3.0, (24_000, 1)))
    u = (normal.argsort(0).argsort(0) + 1.0) / 24_001
    gain = TriangularTCopula().fit(u[:4_000]).logpdf(u[4_000:]) - StudentTCopula().fit(u[:4_000]).logpdf(u[4_000:])
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(gain))


def test_orders() -> None:
    rng = np.random.default_rng(6)
    market = rng.standard_normal((2_000, 1))
    blocks = rng.standard_normal((2_000, 2))
    x = market * [1, 1, 0.1, 0.1] + blocks[:, [0, 1, 0, 1]] * [0.3, 0.3, 1, 1] + 0.3 * rng.standard_normal((2_000, 4))
    u = (x.argsort(0).argsort(0) + 1.0) / 2_001
    assert set(systemic_order(u)[:2].tolist()) <= {0, 1, 2, 3}
    chain = chain_order(u).tolist()
    assert sorted(chain) == [0, 1, 2, 3]
    correlation = np.abs(np.corrcoef(u.T))
    along = sum(correlation[a, b] for a, b in pairwise(chain))
    assert along >= np.mean([correlation[np.triu_indices(4, 1)].mean() * 3])
    with pytest.raises(InputError, match="expected one of systemic, chain, given"):
        TriangularTCopula("alphabetic").fit(u)


def test_near_copies_are_no_overflow() -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_t(4, (150, 3)) @ np.linalg.cholesky(CORRELATION).T
    x[:, 1] = x[:, 0] + 1e-3 * rng.standard_normal(150)
    u = (x.argsort(0).argsort(0) + 1.0) / 151
    copula = TriangularTCopula().fit(u)
    assert copula.logpdf(u).mean() > StudentTCopula().fit(u).logpdf(u).mean()
