"""Screen: evaluated supports -> expected improvement of candidates, by a Gaussian process on shared assets.

The kernel is exp(−h / reach), h half the number of assets held by one of two supports only: each asset counts alone, in
pairs, in triples … with weights that fall with `reach`, the one of largest marginal likelihood. Of the values regressed
on only the ranks count, as normal scores: a few bad supports do not set the scale on which the good ones are told apart
(figures in `qfin.geo.loop`).
"""

from dataclasses import dataclass

import numpy as np

from qfin._types import BoolArray, FloatArray


@dataclass(frozen=True)
class GaussianScreen:
    """Settings: how many of the best supports are regressed on, reaches tried (multiples of the number held), noise."""

    max_rows: int = 600
    reaches: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    noise: float = 1e-3

    def improvement(self, supports: BoolArray, values: FloatArray, candidates: BoolArray) -> FloatArray:
        """Expected improvement on the best value, in standard deviations of the normal scores regressed on."""
        best_first = np.argsort(values, kind="stable")[: self.max_rows]
        rows, known = supports[best_first], values[best_first]
        if known[0] == known[-1]:
            return np.zeros(len(candidates))
        known = _normal_scores(known)
        known /= known.std()
        size = rows.sum(axis=1).mean()
        apart = _differences(rows, rows)
        fits = [self._fit(apart, known, reach * size) for reach in self.reaches]
        reach, (_, lower, solved) = max(zip(self.reaches, fits, strict=True), key=lambda item: item[1][0])
        cross = np.exp(-_differences(candidates, rows) / (reach * size))
        mean = cross @ solved
        from scipy.linalg import solve_triangular

        explained = (solve_triangular(lower, cross.T, lower=True, check_finite=False) ** 2).sum(axis=0)
        amplitude = known @ solved / len(known)
        deviation = np.sqrt(np.maximum(amplitude * (1.0 - explained), 1e-12))
        return _expected_improvement(mean, deviation, float(known.min()))

    def _fit(self, apart: FloatArray, known: FloatArray, reach: float) -> tuple[float, FloatArray, FloatArray]:
        """Log marginal likelihood with the amplitude at its best, Cholesky factor, K⁻¹ y."""
        from scipy.linalg import cho_solve

        kernel = np.exp(-apart / reach)
        kernel[np.diag_indices_from(kernel)] += self.noise
        lower = np.linalg.cholesky(kernel)
        solved = cho_solve((lower, True), known, check_finite=False)
        likelihood = -0.5 * len(known) * np.log(known @ solved) - np.log(np.diag(lower)).sum()
        return float(likelihood), lower, solved


def _normal_scores(values: FloatArray) -> FloatArray:
    """Quantiles of the standard normal law at the values' mid-ranks."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return np.asarray(ndtri((rankdata(values) - 0.5) / len(values)))


def _differences(first: BoolArray, second: BoolArray) -> FloatArray:
    """Half the number of assets held by one of each pair only; exact in single precision, at half the time."""
    first, second = first.astype(np.float32), second.astype(np.float32)
    shared = (first @ second.T).astype(np.float64)
    return np.asarray(0.5 * (first.sum(axis=1)[:, None] + second.sum(axis=1)[None]) - shared)


def _expected_improvement(mean: FloatArray, deviation: FloatArray, best: float) -> FloatArray:
    from scipy.special import ndtr

    z = (best - mean) / deviation
    return np.asarray(deviation * (z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)))
