"""Scenarios: marginals + copula -> generator -> scenario set of simple returns."""

from qfin.scenarios.event_text import parse_event
from qfin.scenarios.generator import ScenarioGenerator
from qfin.scenarios.historical import HistoricalGenerator
from qfin.scenarios.return_events import LinearEvent, ReturnInterval, in_unit_cube
from qfin.scenarios.scenario_set import ScenarioSet
from qfin.scenarios.stress import StressResult, stress_scenarios

__all__ = [
    "HistoricalGenerator",
    "LinearEvent",
    "ReturnInterval",
    "ScenarioGenerator",
    "ScenarioSet",
    "StressResult",
    "in_unit_cube",
    "parse_event",
    "stress_scenarios",
]
