"""Risk: losses -> value at risk, expected shortfall (both positive when money is lost)."""

from qfin.risk.measures import batch_standard_error, expected_shortfall, portfolio_losses, value_at_risk

__all__ = ["batch_standard_error", "expected_shortfall", "portfolio_losses", "value_at_risk"]
