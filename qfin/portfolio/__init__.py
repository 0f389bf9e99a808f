"""Portfolio: a problem and supports -> weights, values and the efficient frontier."""
