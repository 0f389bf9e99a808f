"""P&L attribution of the trading-book rules: does the risk model's P&L move like the desk's?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qfin.exceptions import InputError
from qfin.risk._inputs import day_vector

Zone = Literal["green", "amber", "red"]

# Basel Committee, MAR32.42 ff.: green beyond the first bound, red beyond the second, amber between. The distances are
# said to have p-values 0.264 and 0.055 for 250 days.
SPEARMAN_BOUNDS = (0.80, 0.70)
DISTANCE_BOUNDS = (0.09, 0.12)


@dataclass(frozen=True)
class PnlAttribution:
    """The two metrics, their zones, and the desk's zone, which is the worse one."""

    n: int
    spearman: float
    distance: float
    distance_p_value: float
    spearman_zone: Zone
    distance_zone: Zone

    @property
    def zone(self) -> Zone:
        for zone in ("red", "amber"):
            if zone in (self.spearman_zone, self.distance_zone):
                return zone
        return "green"


def pnl_attribution(hypothetical: ArrayLike, theoretical: ArrayLike) -> PnlAttribution:
    """Spearman correlation and Kolmogorov–Smirnov distance of hypothetical and risk-theoretical P&L (MAR32).

    Parameters
    ----------
    hypothetical : array of shape (n_days,)
        P&L of the desk's positions by the front office, without intraday trades and fees; 250 days by the rules.
    theoretical : array of shape (n_days,)
        P&L of the same positions by the risk model. The sign convention does not matter as long as it is the same.
    """
    actual = day_vector(hypothetical, "hypothetical", min_days=10)
    model = day_vector(theoretical, "theoretical", n_days=len(actual))
    if np.ptp(actual) == 0.0 or np.ptp(model) == 0.0:
        raise InputError("hypothetical and theoretical: expected P&L that varies, received a constant")
    spearman = float(stats.spearmanr(actual, model).statistic)
    distance = stats.ks_2samp(actual, model, method="asymp" if len(actual) > 5000 else "auto")
    return PnlAttribution(
        len(actual),
        spearman,
        float(distance.statistic),
        float(distance.pvalue),
        _zone(spearman, SPEARMAN_BOUNDS),
        _zone(-float(distance.statistic), (-DISTANCE_BOUNDS[0], -DISTANCE_BOUNDS[1])),
    )


def _zone(value: float, bounds: tuple[float, float]) -> Zone:
    return "green" if value > bounds[0] else "red" if value < bounds[1] else "amber"
