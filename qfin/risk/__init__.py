"""Risk: losses -> value at risk, expected shortfall (both positive when money is lost)."""

from qfin.risk.attribution import PnlAttribution, pnl_attribution
from qfin.risk.calibration import expected_shortfall_regression, nolde_ziegel
from qfin.risk.contributions import RiskContributions, shortfall_contributions, value_at_risk_contributions
from qfin.risk.coverage import christoffersen_coverage, christoffersen_independence, kupiec, traffic_light, tuff
from qfin.risk.drawdown import conditional_drawdown_at_risk, drawdowns, max_drawdown
from qfin.risk.duration import dynamic_quantile, weibull_duration
from qfin.risk.hypothesis import HypothesisTest
from qfin.risk.measures import batch_standard_error, expected_shortfall, portfolio_losses, value_at_risk
from qfin.risk.pit import (
    anderson_darling,
    berkowitz,
    kolmogorov_smirnov,
    multinomial_var,
    probability_integral_transform,
)
from qfin.risk.scoring import (
    ModelConfidenceSet,
    diebold_mariano,
    fissler_ziegel_loss,
    model_confidence_set,
    pinball_loss,
)
from qfin.risk.shortfall_tests import (
    acerbi_szekely_minimal_bias,
    acerbi_szekely_z1,
    acerbi_szekely_z2,
    acerbi_szekely_z3,
)
from qfin.risk.spectral import expectile, exponential_spectrum, shortfall_spectrum, spectral_risk
from qfin.risk.suite import back_tests

__all__ = [
    "HypothesisTest",
    "ModelConfidenceSet",
    "PnlAttribution",
    "RiskContributions",
    "acerbi_szekely_minimal_bias",
    "acerbi_szekely_z1",
    "acerbi_szekely_z2",
    "acerbi_szekely_z3",
    "anderson_darling",
    "back_tests",
    "batch_standard_error",
    "berkowitz",
    "christoffersen_coverage",
    "christoffersen_independence",
    "conditional_drawdown_at_risk",
    "diebold_mariano",
    "drawdowns",
    "dynamic_quantile",
    "expected_shortfall",
    "expected_shortfall_regression",
    "expectile",
    "exponential_spectrum",
    "fissler_ziegel_loss",
    "kolmogorov_smirnov",
    "kupiec",
    "max_drawdown",
    "model_confidence_set",
    "multinomial_var",
    "nolde_ziegel",
    "pinball_loss",
    "pnl_attribution",
    "portfolio_losses",
    "probability_integral_transform",
    "shortfall_contributions",
    "shortfall_spectrum",
    "spectral_risk",
    "traffic_light",
    "tuff",
    "value_at_risk",
    "value_at_risk_contributions",
    "weibull_duration",
]
