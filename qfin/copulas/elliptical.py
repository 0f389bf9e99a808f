"""Gaussian and Student-t copulas with closed-form Rosenblatt transforms."""

from collections.abc import Callable
from typing import Self

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, ndtr, ndtri
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._threads import one_blas_thread
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_unit_cube, check_fitted
from qfin.copulas.contract import open_unit
from qfin.copulas.student import t_distribution, t_log_density, t_quantile
from qfin.exceptions import InputError

_EM_STEPS = 30
_EM_TOLERANCE = 1e-6
_DEGREES_BOUNDS = (2.1, 60.0)
_AXES_STEPS = 50
_LARGEST_COMMUNALITY = 0.995


def correlation_of(scatter: FloatArray) -> FloatArray:
    """A scatter matrix scaled to unit diagonal."""
    scale = np.sqrt(np.diag(scatter))
    correlation: FloatArray = scatter / np.outer(scale, scale)
    return correlation


def shrunk_correlation(z: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Correlation of the rows of z (zero mean), shrunk towards its own factor model: a C + (1 − a) F, a = n/(n + 4d).

    F keeps the eigenvalues of C above the edge of noise, (1 + √(d/n))² (Marchenko & Pastur 1967), with a diagonal of
    ones. On 471 assets and 702 days, later training days have a log-likelihood of 183 nats under the t copula with F,
    and 91 with the Ledoit–Wolf target (the identity); the rule for a was found there and on 95, 50, 26 and 20 assets.
    """
    n, d = z.shape
    weighted = z if weights is None else z * np.sqrt(weights)[:, None]
    correlation = correlation_of(weighted.T @ weighted / n)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > (1.0 + np.sqrt(d / n)) ** 2
    factors = vectors[:, kept] * np.sqrt(values[kept])
    target = factors @ factors.T
    target[np.diag_indices(d)] = 1.0
    share = n / (n + 4.0 * d)
    shrunk: FloatArray = share * correlation + (1.0 - share) * target
    return shrunk


def factor_correlation(correlation: FloatArray, n_observations: int) -> tuple[FloatArray, int]:
    """The nearest correlation with few factors and independent rests, by principal axes; and the number of factors.

    As many factors as eigenvalues above the edge of noise (see `shrunk_correlation`), one at least.
    """
    d = len(correlation)
    edge = (1.0 + np.sqrt(d / n_observations)) ** 2
    n_factors = max(1, int((np.linalg.eigvalsh(correlation) > edge).sum()))
    communality = np.abs(correlation - np.eye(d)).max(axis=0)
    for _ in range(_AXES_STEPS):
        reduced = correlation.copy()
        reduced[np.diag_indices(d)] = communality
        values, vectors = np.linalg.eigh(reduced)
        loadings = vectors[:, -n_factors:] * np.sqrt(np.maximum(values[-n_factors:], 0.0))
        communality = np.minimum((loadings**2).sum(axis=1), _LARGEST_COMMUNALITY)
    loadings *= np.sqrt(communality / (loadings**2).sum(axis=1))[:, None]
    result = loadings @ loadings.T
    result[np.diag_indices(d)] = 1.0
    return result, n_factors


class GaussianCopula(BaseEstimator):  # type: ignore[misc]
    """Gaussian copula; the correlation is that of the normal scores Φ⁻¹(u)."""

    def fit(self, u: FloatArray, y: None = None) -> Self:
        self.correlation_ = shrunk_correlation(ndtri(as_unit_cube(u)))
        self.cholesky_ = np.linalg.cholesky(self.correlation_)
        return self

    @property
    def n_assets_(self) -> int:
        check_fitted(self, "cholesky_")
        return len(self.cholesky_)

    @property
    def n_params_(self) -> int:
        return self.n_assets_ * (self.n_assets_ - 1) // 2

    def logpdf(self, u: FloatArray) -> FloatArray:
        z = ndtri(as_unit_cube(u, n_columns=self.n_assets_))
        e = solve_triangular(self.cholesky_, z.T, lower=True)
        log_density: FloatArray = 0.5 * (z * z).sum(1) - 0.5 * (e * e).sum(0) - np.log(np.diag(self.cholesky_)).sum()
        return log_density

    def rosenblatt(self, u: FloatArray) -> FloatArray:
        z = ndtri(as_unit_cube(u, n_columns=self.n_assets_))
        return open_unit(ndtr(solve_triangular(self.cholesky_, z.T, lower=True).T))

    def inverse_rosenblatt(self, w: FloatArray) -> FloatArray:
        return open_unit(ndtr(ndtri(as_unit_cube(w, "w", n_columns=self.n_assets_)) @ self.cholesky_.T))

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        return open_unit(ndtr(as_generator(rng).standard_normal((n_samples, self.n_assets_)) @ self.cholesky_.T))

    def to_arrays(self) -> dict[str, AnyArray]:
        check_fitted(self, "cholesky_")
        return {"correlation": self.correlation_}

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        copula = cls()
        copula.correlation_ = np.asarray(arrays["correlation"], dtype=float)
        copula.cholesky_ = np.linalg.cholesky(copula.correlation_)
        return copula


class StudentTCopula(BaseEstimator):  # type: ignore[misc]
    """Student-t copula by maximum likelihood: correlation by EM on the t scores, degrees of freedom by profile.

    Parameters
    ----------
    degrees_of_freedom : float, optional
        ν, kept fixed when given; otherwise the maximiser of the profile likelihood in [2.1, 60].
    factors : bool
        Hold the correlation to a factor model: the factor t copula, a rival for wide panels.

    Notes
    -----
    With z = T_ν⁻¹(u), e = L⁻¹z and L the Cholesky factor of the correlation, asset i given the assets before it is
    Student t with ν + i degrees of freedom and scale √((ν + Σ_{j<i} e_j²)/(ν + i)), i = 0, 1, … (Demarta & McNeil
    2005; the conditional law in Ding 2016, Am. Stat. 70(3), eq. 3). Out of sample,
    normal-score correlation instead of EM loses 0.04 (10 US stocks) to 0.33 (15 ETFs) nats a day.
    """

    def __init__(self, degrees_of_freedom: float | None = None, factors: bool = False):
        self.degrees_of_freedom = degrees_of_freedom
        self.factors = factors

    def fit(self, u: FloatArray, y: None = None) -> Self:
        with one_blas_thread():
            return self._fit(as_unit_cube(u))

    def _fit(self, u: FloatArray) -> Self:
        if self.degrees_of_freedom is None:
            nu = _best_degrees(lambda nu: self._profile(u, nu)[0])
        elif self.degrees_of_freedom > 0:
            nu = float(self.degrees_of_freedom)
        else:
            raise InputError(f"degrees_of_freedom: expected a positive number, received {self.degrees_of_freedom}")
        _, self.correlation_ = self._profile(u, nu)
        if self.factors:
            self.correlation_, self.n_factors_ = factor_correlation(self.correlation_, len(u))
        self.cholesky_ = np.linalg.cholesky(self.correlation_)
        if self.factors and self.degrees_of_freedom is None:
            nu = _best_degrees(lambda nu: float(_t_log_density(t_quantile(u, nu), self.cholesky_, nu).mean()))
        self.degrees_of_freedom_ = nu
        return self

    @staticmethod
    def _profile(u: FloatArray, nu: float) -> tuple[float, FloatArray]:
        """Mean log-likelihood at ν with its EM correlation."""
        z = t_quantile(u, nu)
        d = z.shape[1]
        correlation = shrunk_correlation(ndtri(u))
        for _ in range(_EM_STEPS):
            e = solve_triangular(np.linalg.cholesky(correlation), z.T, lower=True)
            updated = shrunk_correlation(z, weights=(nu + d) / (nu + (e * e).sum(0)))
            change = np.abs(updated - correlation).max()
            correlation = updated
            if change < _EM_TOLERANCE:
                break
        return float(_t_log_density(z, np.linalg.cholesky(correlation), nu).mean()), correlation

    @property
    def n_assets_(self) -> int:
        check_fitted(self, "cholesky_")
        return len(self.cholesky_)

    @property
    def n_params_(self) -> int:
        d = self.n_assets_
        return (d * self.n_factors_ if hasattr(self, "n_factors_") else d * (d - 1) // 2) + 1

    def logpdf(self, u: FloatArray) -> FloatArray:
        z = t_quantile(as_unit_cube(u, n_columns=self.n_assets_), self._nu)
        return _t_log_density(z, self.cholesky_, self._nu)

    def rosenblatt(self, u: FloatArray) -> FloatArray:
        z = t_quantile(as_unit_cube(u, n_columns=self.n_assets_), self._nu)
        e = solve_triangular(self.cholesky_, z.T, lower=True).T
        degrees = self._nu + np.arange(self.n_assets_)
        before = np.cumsum(e * e, axis=1) - e * e
        return open_unit(t_distribution(e / np.sqrt((self._nu + before) / degrees), degrees))

    def inverse_rosenblatt(self, w: FloatArray) -> FloatArray:
        w = as_unit_cube(w, "w", n_columns=self.n_assets_)
        degrees = self._nu + np.arange(self.n_assets_)
        e = t_quantile(w, degrees)
        squares = np.zeros(len(w))
        for i in range(self.n_assets_):
            e[:, i] *= np.sqrt((self._nu + squares) / degrees[i])
            squares += e[:, i] ** 2
        return open_unit(t_distribution(e @ self.cholesky_.T, self._nu))

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        rng = as_generator(rng)
        normal = rng.standard_normal((n_samples, self.n_assets_)) @ self.cholesky_.T
        scale = np.sqrt(self._nu / rng.chisquare(self._nu, size=(n_samples, 1)))
        return open_unit(t_distribution(normal * scale, self._nu))

    @property
    def _nu(self) -> float:
        check_fitted(self, "degrees_of_freedom_")
        return float(self.degrees_of_freedom_)

    def to_arrays(self) -> dict[str, AnyArray]:
        arrays = {"correlation": self.correlation_, "degrees_of_freedom": np.array(self._nu)}
        return arrays | ({"n_factors": np.array(self.n_factors_)} if hasattr(self, "n_factors_") else {})

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        copula = cls(factors="n_factors" in arrays)
        if copula.factors:
            copula.n_factors_ = int(arrays["n_factors"])
        copula.degrees_of_freedom_ = float(arrays["degrees_of_freedom"])
        copula.correlation_ = np.asarray(arrays["correlation"], dtype=float)
        copula.cholesky_ = np.linalg.cholesky(copula.correlation_)
        return copula


def _best_degrees(log_likelihood: Callable[[float], float]) -> float:
    result = minimize_scalar(
        lambda log_nu: -log_likelihood(float(np.exp(log_nu))),
        bounds=np.log(_DEGREES_BOUNDS),
        method="bounded",
        options={"xatol": 0.02},
    )
    return float(np.exp(result.x))


def _t_log_density(z: FloatArray, cholesky: AnyArray, nu: float) -> FloatArray:
    """Log density of the t copula at the t scores z."""
    d = z.shape[1]
    e = solve_triangular(cholesky, z.T, lower=True)
    joint = gammaln((nu + d) / 2) - gammaln(nu / 2) - d / 2 * np.log(nu * np.pi) - np.log(np.diag(cholesky)).sum()
    log_density: FloatArray = joint - (nu + d) / 2 * np.log1p((e * e).sum(0) / nu) - t_log_density(z, nu).sum(1)
    return log_density
