"""Are VaR and ES right together? Conditional calibration and expected-shortfall regression."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qfin._types import FloatArray
from qfin._validation import as_matrix, check_level
from qfin.exceptions import InputError
from qfin.risk._inputs import model_draws, shortfall_forecasts
from qfin.risk._joint_regression import joint_regression, shortfall_gram
from qfin.risk.hypothesis import Detail, HypothesisTest, simulated_p_value

EsrVersion = Literal["strict", "auxiliary", "intercept"]
# Rows of a batch that are worked on together.
_CHUNK = 128


def nolde_ziegel(
    losses: ArrayLike,
    var: ArrayLike,
    es: ArrayLike,
    level: float,
    *,
    instruments: ArrayLike | None = None,
    draws: ArrayLike | None = None,
    size: float = 0.05,
) -> HypothesisTest:
    """Conditional calibration (Nolde and Ziegel 2017): the identification function of (VaR, ES) has mean zero.

    V = (1{loss > VaR} − (1 − level), ES − VaR − max(loss − VaR, 0)/(1 − level)); the statistic is the Wald form
    n V̄'Ω⁻¹V̄, asymptotically χ²(2). With instruments (their general test) V is multiplied by each column.

    Parameters
    ----------
    losses, var, es : arrays of shape (n_days,)
    level : float
    instruments : array of shape (n_days, n_instruments), optional
        Known before the day, for instance (1, 1/σ): None is the simple test, one column of ones.
    draws : array of shape (n_days, n_draws), optional
        Losses drawn by the model: Ω is then the mean of VV' under the model, and the p-value is simulated. Without them
        Ω is the mean over the realised days, as published. It then rests on a handful of exceedances: the test rejects
        a right model far too often, and a wrong one with large losses too rarely, since they are in Ω as well.
    size : float
    """
    loss, quantile, shortfall = shortfall_forecasts(losses, var, es)
    tail, n = 1.0 - check_level(level), len(loss)
    columns = np.ones((n, 1)) if instruments is None else as_matrix(instruments, "instruments")
    if columns.shape[0] != n or 2 * columns.shape[1] >= n:
        raise InputError(f"instruments: expected {n} rows and few columns, received shape {columns.shape}")
    details: dict[str, Detail] = {"n": n, "instruments": columns.shape[1]}
    if draws is None:
        statistic = float(calibration_statistic(loss[None, :], quantile, shortfall, tail, columns)[0])
        p_value = float(stats.chi2.sf(statistic, 2 * columns.shape[1]))
    else:
        drawn = model_draws(draws, n).T
        covariance = calibration_covariance(drawn, quantile, shortfall, tail, columns)
        rows = np.concatenate([loss[None, :], drawn])
        all_statistics = calibration_statistic(rows, quantile, shortfall, tail, columns, covariance)
        statistic = float(all_statistics[0])
        simulated, mid = simulated_p_value(statistic, all_statistics[1:])
        p_value, details["mid_p_value"] = float(simulated), float(mid)
    null = "VaR and ES are calibrated: their identification function has mean zero given what was known"
    return HypothesisTest("nolde_ziegel", null, statistic, p_value, size, details)


def expected_shortfall_regression(
    losses: ArrayLike,
    var: ArrayLike,
    es: ArrayLike,
    level: float,
    *,
    version: EsrVersion = "strict",
    draws: ArrayLike | None = None,
    size: float = 0.05,
) -> HypothesisTest:
    """ESR (Bayer and Dimitriadis 2022): regress the ES of the losses on the forecast; intercept 0, slope 1 is right.

    Quantile and ES regressions are fitted jointly by the Fissler–Ziegel loss FZ0. "strict" uses the ES forecast in
    both, "auxiliary" the VaR forecast in the quantile regression; both test (intercept, slope) = (0, 1). "intercept"
    fixes the slope at 1; its sign says which way: positive means that ES is too small.

    Parameters
    ----------
    losses, var, es : arrays of shape (n_days,)
        The first two versions need forecasts that vary.
    level : float
    version : str
    draws : array of shape (n_days, n_draws), optional
        Losses drawn by the model: the covariance is then the model's and the p-value is simulated. Without them the
        covariance is estimated and the law χ²(2) or N(0, 1), two-sided, which rejects a right model too often at a few
        hundred days.
    size : float
    """
    if version not in ("strict", "auxiliary", "intercept"):
        raise InputError(f"version: expected strict, auxiliary or intercept, received {version!r}")
    loss, quantile, shortfall = shortfall_forecasts(losses, var, es)
    tail, n = 1.0 - check_level(level), len(loss)
    _check_variation(version, quantile, shortfall)
    drawn = None if draws is None else model_draws(draws, n).T
    spread = None if drawn is None else shortfall_spread(drawn, quantile, shortfall, tail)
    statistics, parameters = regression_statistic(loss[None, :], quantile, shortfall, tail, version, spread)
    value = float(statistics[0])
    details: dict[str, Detail] = {"n": n, "version": version, "intercept": float(parameters[0, 0])}
    if version != "intercept":
        details["slope"] = float(parameters[0, 1])
    if drawn is not None:
        simulated = regression_statistic(drawn, quantile, shortfall, tail, version, spread)[0]
        p, mid = simulated_p_value(abs(value), np.abs(simulated))
        p_value, details["mid_p_value"] = float(p), float(mid)
    else:
        p_value = 2.0 * float(stats.norm.sf(abs(value))) if version == "intercept" else float(stats.chi2.sf(value, 2))
    null = "the ES of the losses is the forecast: no intercept, slope one"
    return HypothesisTest(f"esr_{version}", null, value, p_value, size, details)


def calibration_statistic(
    losses: FloatArray,
    var: FloatArray,
    es: FloatArray,
    tail: float,
    instruments: FloatArray,
    covariance: FloatArray | None = None,
) -> FloatArray:
    """n V̄'Ω⁻¹V̄ for rows of losses, shape (n_rows, n_days); Ω is `covariance` or each row's own mean of VV'."""
    n = losses.shape[1]
    statistic = np.empty(len(losses))
    for start in range(0, len(losses), _CHUNK):
        moments = _moments(losses[start : start + _CHUNK], var, es, tail, instruments)
        mean = moments.mean(axis=1)
        omega = moments.transpose(0, 2, 1) @ moments / n if covariance is None else covariance[None]
        # Two units (1 and money) share the matrix: scaled to unit diagonal before it is inverted.
        scale = np.sqrt(np.maximum(np.diagonal(omega, axis1=1, axis2=2), 1e-300))
        inverse = np.linalg.pinv(omega / scale[:, :, None] / scale[:, None, :], rcond=1e-10, hermitian=True)
        mean = mean / scale
        inverse = np.broadcast_to(inverse, (len(mean), *inverse.shape[1:]))
        statistic[start : start + _CHUNK] = n * np.einsum("ri,rij,rj->r", mean, inverse, mean)
    return statistic


def calibration_covariance(
    draws: FloatArray, var: FloatArray, es: FloatArray, tail: float, instruments: FloatArray
) -> FloatArray:
    """Mean of VV' over rows of model draws and days."""
    total = np.zeros((2 * instruments.shape[1], 2 * instruments.shape[1]))
    for start in range(0, len(draws), _CHUNK):
        moments = _moments(draws[start : start + _CHUNK], var, es, tail, instruments)
        total += np.einsum("rti,rtj->ij", moments, moments)
    return np.asarray(total / draws.size)


def regression_statistic(
    losses: FloatArray,
    var: FloatArray,
    es: FloatArray,
    tail: float,
    version: EsrVersion,
    spread: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Statistic and ES parameters for rows of losses; forecasts of shape (n_days,) or one row each.

    With `spread` (`shortfall_spread` of the model) the covariance of the parameters is that under the null.
    """
    quantile, shortfall = np.broadcast_to(var, losses.shape), np.broadcast_to(es, losses.shape)
    if version == "intercept":
        return _intercept_statistic(losses - shortfall, shortfall, tail, spread)
    wald, parameters = np.empty(len(losses)), np.empty((len(losses), 2))
    for start in range(0, len(losses), _CHUNK):
        rows = slice(start, start + _CHUNK)
        # In units of the mean forecast, so that intercept and slope are of one size.
        unit = shortfall[rows].mean(axis=1, keepdims=True)
        x_es = shortfall[rows] / unit
        x_var = x_es if version == "strict" else quantile[rows] / unit
        fit = joint_regression(losses[rows] / unit, x_var, x_es, tail)
        gap = fit.shortfall - np.array([0.0, 1.0])
        precision = fit.precision if spread is None else shortfall_gram(x_es, x_es) / spread
        wald[rows] = np.einsum("ri,rij,rj->r", gap, precision, gap)
        parameters[rows] = fit.shortfall * np.concatenate([unit, np.ones_like(unit)], axis=1)
    return wald, parameters


def shortfall_spread(draws: FloatArray, var: FloatArray, es: FloatArray, tail: float) -> float:
    """Variance of pseudo-loss/ES under the model: (VaR + max(loss − VaR, 0)/tail)/ES over rows of its draws."""
    return float(np.mean(((var + np.maximum(draws - var, 0.0) / tail) / es - 1.0) ** 2))


def _moments(losses: FloatArray, var: FloatArray, es: FloatArray, tail: float, instruments: FloatArray) -> FloatArray:
    coverage = (losses > var) - tail
    excess = es - var - np.maximum(losses - var, 0.0) / tail
    return np.concatenate([coverage[:, :, None] * instruments, excess[:, :, None] * instruments], axis=2)


def _intercept_statistic(
    residuals: FloatArray, es: FloatArray, tail: float, spread: float | None
) -> tuple[FloatArray, FloatArray]:
    """With constants alone the joint fit is the empirical quantile and ES of loss − ES forecast."""
    n = residuals.shape[1]
    position = min(int(np.floor(n * (1.0 - tail) + 1e-9)), n - 1)
    quantile = np.partition(residuals, position, axis=1)[:, position : position + 1]
    pseudo = quantile + np.maximum(residuals - quantile, 0.0) / tail
    intercept = pseudo.mean(axis=1)
    variance = pseudo.var(axis=1) if spread is None else spread * (es**2).mean(axis=1)
    return intercept / np.sqrt(np.maximum(variance, 1e-300) / n), intercept[:, None]


def _check_variation(version: EsrVersion, quantile: FloatArray, shortfall: FloatArray) -> None:
    used = {"strict": {"es": shortfall}, "auxiliary": {"var": quantile, "es": shortfall}, "intercept": {}}[version]
    for name, values in used.items():
        if np.ptp(values) <= 1e-9 * np.abs(values).max():
            raise InputError(f"{name}: expected forecasts that vary for the {version} version, received a constant")
        if (values <= 0.0).any():
            raise InputError(
                f"{name}: expected positive forecasts for the {version} version, received {values.min():.6g}"
            )
