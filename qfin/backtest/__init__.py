"""Back-test: the past alone -> daily forecasts of loss -> exceedances, tests and losses by model."""
