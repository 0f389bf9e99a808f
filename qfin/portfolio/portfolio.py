"""What a user gets: a portfolio with its names, a frontier of them, and how far a frontier lies from the best one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from qfin._files import write_whole
from qfin._types import BoolArray, FloatArray
from qfin.exceptions import InputError
from qfin.portfolio.problem import PortfolioProblem


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Names held and their weights, the value of the objective, risk and mean return.

    Attributes
    ----------
    assets : tuple of str
    weights : read-only array of shape (n_held,)
    value : float
    risk : float
        Standard deviation for mean and variance, else the objective's own measure.
    mean : float
        Mean return after costs; NaN for a black box.
    bound : float or None
        A lower bound of the value over all portfolios, as from `relax`.
    """

    assets: tuple[str, ...]
    weights: FloatArray
    value: float
    risk: float
    mean: float
    bound: float | None = None

    @property
    def gap(self) -> float | None:
        """(value − bound)/|bound|."""
        return None if self.bound is None else (self.value - self.bound) / max(abs(self.bound), 1e-300)

    def to_frame(self) -> pd.DataFrame:
        """One row per name, the largest weight first."""
        order = np.argsort(-self.weights, kind="stable")
        return pd.DataFrame({"asset": [self.assets[place] for place in order], "weight": self.weights[order]})

    def save(self, path: str | Path) -> Path:
        """Write the weights as .csv or .xlsx; the second sheet of .xlsx holds the figures."""
        figures = {"value": self.value, "risk": self.risk, "mean": self.mean, "bound": self.bound, "gap": self.gap}
        return _save(path, self.to_frame(), "weights", pd.DataFrame([figures]), "figures")


@dataclass(frozen=True, eq=False)
class Frontier:
    """Portfolios in the order of a parameter, such as "risk_weight" or "target_return"."""

    parameter: str
    settings: FloatArray
    portfolios: tuple[Portfolio, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "portfolios", tuple(self.portfolios))
        settings = np.array(self.settings, dtype=np.float64)
        if settings.shape != (len(self.portfolios),) or len(settings) == 0:
            raise InputError(f"frontier: expected one portfolio for each of {settings.size} settings, and at least one")
        settings.setflags(write=False)
        object.__setattr__(self, "settings", settings)

    @property
    def means(self) -> FloatArray:
        return np.array([portfolio.mean for portfolio in self.portfolios])

    @property
    def risks(self) -> FloatArray:
        return np.array([portfolio.risk for portfolio in self.portfolios])

    def to_frame(self) -> pd.DataFrame:
        """One row per portfolio: setting, value, risk, mean, gap where there is a bound, how many and who is held."""
        rows = [
            {
                self.parameter: float(setting),
                "value": portfolio.value,
                "risk": portfolio.risk,
                "mean": portfolio.mean,
                "gap": portfolio.gap,
                "n_held": len(portfolio.assets),
                "assets": ";".join(portfolio.assets),
            }
            for setting, portfolio in zip(self.settings, self.portfolios, strict=True)
        ]
        return pd.DataFrame(rows)

    def weights_frame(self) -> pd.DataFrame:
        """One row per portfolio and one column per asset held anywhere."""
        names = sorted({asset for portfolio in self.portfolios for asset in portfolio.assets})
        rows = [dict(zip(portfolio.assets, portfolio.weights, strict=True)) for portfolio in self.portfolios]
        frame = pd.DataFrame(rows, columns=names).fillna(0.0)
        frame.insert(0, self.parameter, self.settings)
        return frame

    def save(self, path: str | Path) -> Path:
        """Write the table as .csv or .xlsx; the second sheet of .xlsx holds the weights."""
        return _save(path, self.to_frame(), "frontier", self.weights_frame(), "weights")


def portfolio_of(problem: PortfolioProblem, support: BoolArray, *, bound: float | None = None) -> Portfolio:
    """The portfolio of a feasible support (n_assets,).

    Raises
    ------
    InputError
        No weights exist on this support.
    """
    solutions = problem.solve(support[None, :])
    value, weights = float(solutions.values[0]), solutions.weights[0]
    if not np.isfinite(value):
        raise InputError("support: expected one with weights that meet the rules, received one without")
    held = np.flatnonzero(support)
    kept = weights[held].copy()
    kept.setflags(write=False)
    names = tuple(problem.assets[column] for column in held)
    mean, risk = problem.objective.mean_and_risk(problem, weights)
    return Portfolio(names, kept, value, risk, mean, bound)


@dataclass(frozen=True)
class FrontierErrors:
    """How far points lie from the frontier without a limit on the number held; percentages but for the distance.

    Attributes
    ----------
    mean, median, maximum : float
        Percentage deviation of Chang et al. (2000): the smaller of the horizontal one (standard deviation at the same
        mean) and the vertical one (mean at the same standard deviation), by linear interpolation.
    distance : float
        Mean Euclidean distance, in mean and variance, to the nearest point of the frontier (Cura 2009).
    variance_error, return_error : float
        Mean relative difference to the variance and the mean of that nearest point (Cura 2009).
    n_outside : int
        Points whose mean lies outside the frontier's range; they have no percentage deviation.
    """

    mean: float
    median: float
    maximum: float
    distance: float
    variance_error: float
    return_error: float
    n_outside: int


def frontier_errors(
    means: Sequence[float] | FloatArray,
    variances: Sequence[float] | FloatArray,
    frontier: tuple[FloatArray, FloatArray],
) -> FrontierErrors:
    """Errors of points against a frontier (means ascending, variances), as `read_frontier` gives it."""
    mean, variance = np.asarray(means, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    best_mean, best_variance = frontier
    if mean.shape != variance.shape or mean.ndim != 1 or len(mean) == 0:
        raise InputError(f"points: expected as many means as variances, received shapes {mean.shape}, {variance.shape}")
    if not (np.isfinite(mean).all() and (variance > 0.0).all()):
        raise InputError("points: expected finite means and positive variances, received others")
    deviation, best_deviation = np.sqrt(variance), np.sqrt(best_variance)
    inside = (mean >= best_mean[0]) & (mean <= best_mean[-1])
    reachable = (deviation >= best_deviation[0]) & (deviation <= best_deviation[-1])
    at_mean = np.interp(mean, best_mean, best_deviation)
    at_deviation = np.interp(deviation, best_deviation, best_mean)
    vertical = np.where(reachable, np.abs((mean - at_deviation) / at_deviation), np.inf)
    percent = 100.0 * np.minimum(np.abs(deviation - at_mean) / at_mean, vertical)[inside]
    if len(percent) == 0:
        raise InputError("points: expected some with a mean within the frontier's range, received none")
    away = np.hypot(mean[:, None] - best_mean, variance[:, None] - best_variance)
    nearest = away.argmin(axis=1)
    return FrontierErrors(
        float(percent.mean()),
        float(np.median(percent)),
        float(percent.max()),
        float(away.min(axis=1).mean()),
        float(100.0 * np.mean(np.abs(best_variance[nearest] - variance) / variance)),
        float(100.0 * np.mean(np.abs(best_mean[nearest] - mean) / np.abs(mean))),
        int((~inside).sum()),
    )


def _save(path: str | Path, table: pd.DataFrame, sheet: str, second: pd.DataFrame, second_sheet: str) -> Path:
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise InputError(f"{path}: expected a name ending in .csv or .xlsx, received {path.name!r}")

    def fill(partial: Path) -> None:
        if path.suffix.lower() == ".csv":
            table.to_csv(partial, index=False)
            return
        with pd.ExcelWriter(partial, engine="xlsxwriter") as book:
            table.to_excel(book, sheet_name=sheet, index=False)
            second.to_excel(book, sheet_name=second_sheet, index=False)

    return write_whole(path, fill)
