"""Scenarios: marginals + copula -> generator -> scenario set of simple returns."""

from qfin.scenarios.generator import ScenarioGenerator
from qfin.scenarios.historical import HistoricalGenerator
from qfin.scenarios.scenario_set import ScenarioSet

__all__ = ["HistoricalGenerator", "ScenarioGenerator", "ScenarioSet"]
