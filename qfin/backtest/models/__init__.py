"""Models of a back-test: a new one is one file and one row."""

from collections.abc import Callable
from dataclasses import dataclass

from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.backtest.models.circuit import circuit_innovations
from qfin.backtest.models.garch_t import garch_t_innovations
from qfin.backtest.models.gaussian import gaussian_returns
from qfin.backtest.models.mps import mps_innovations
from qfin.backtest.models.student_t import student_t_returns
from qfin.backtest.models.vine import vine_innovations


@dataclass(frozen=True)
class ForecastModel:
    """Where a forecast's joint draws come from.

    Attributes
    ----------
    label : str
    filtered : bool
        The draws are standardised residuals, rescaled each day to every asset's own GARCH volatility; else returns.
    draw : function or None
        Draws (n_draws, n_assets) for a block of days. None: the last `window` days themselves, up to yesterday.
    refitted : str
        What is fitted when, in words.
    """

    label: str
    filtered: bool
    draw: Callable[[BlockFits], FloatArray] | None
    refitted: str


_DAILY = "nothing is fitted; the window moves on daily"
_BLOCK = "margins and copula every block"
_VOLATILITY = "volatility filtered daily, its parameters every block"
_SPAN = f"{_VOLATILITY}, as the residuals' margins; copula every span"

MODELS: dict[str, ForecastModel] = {
    "hs": ForecastModel("Historical simulation", False, None, _DAILY),
    "fhs": ForecastModel("Filtered historical simulation", True, None, f"{_VOLATILITY}; the window moves on daily"),
    "gaussian": ForecastModel("Gaussian copula", False, gaussian_returns, _BLOCK),
    "student_t": ForecastModel("Student-t copula", False, student_t_returns, _BLOCK),
    "garch_t": ForecastModel("GARCH + Student-t copula", True, garch_t_innovations, f"{_VOLATILITY}; {_BLOCK}"),
    "vine": ForecastModel("GARCH + vine", True, vine_innovations, _SPAN),
    "mps": ForecastModel("GARCH + MPS Born machine", True, mps_innovations, _SPAN),
    "circuit": ForecastModel("GARCH + circuit Born machine", True, circuit_innovations, _SPAN),
}

__all__ = ["MODELS", "ForecastModel"]
