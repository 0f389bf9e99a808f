"""Scenarios: marginals + copula -> generator -> scenario set of simple returns."""

from qfin.scenarios.episodes import EPISODES, Episode, EpisodePaths, EpisodeStress, episode_paths, episode_stress
from qfin.scenarios.event_text import parse_event
from qfin.scenarios.garch_copula import GarchCopulaPaths
from qfin.scenarios.generator import ScenarioGenerator
from qfin.scenarios.historical import HistoricalGenerator
from qfin.scenarios.path_generators import (
    BlockBootstrapPaths,
    FilteredHistoricalPaths,
    IndependentPaths,
    PathGenerator,
)
from qfin.scenarios.return_events import LinearEvent, ReturnInterval, in_unit_cube
from qfin.scenarios.reverse import ReverseMode, ReverseStress, reverse_stress
from qfin.scenarios.scenario_paths import ScenarioPaths
from qfin.scenarios.scenario_set import ScenarioSet
from qfin.scenarios.shocks import factor_scenarios, read_shocks, shock_scenarios
from qfin.scenarios.stress import StressResult, baseline_scenarios, stress_scenarios
from qfin.scenarios.tempering import tempered_scenarios
from qfin.scenarios.views import VIEWS, pooled_scenarios

__all__ = [
    "BlockBootstrapPaths",
    "EPISODES",
    "Episode",
    "EpisodePaths",
    "EpisodeStress",
    "FilteredHistoricalPaths",
    "GarchCopulaPaths",
    "HistoricalGenerator",
    "IndependentPaths",
    "LinearEvent",
    "PathGenerator",
    "ReturnInterval",
    "ReverseMode",
    "ReverseStress",
    "ScenarioGenerator",
    "ScenarioPaths",
    "ScenarioSet",
    "StressResult",
    "VIEWS",
    "baseline_scenarios",
    "episode_paths",
    "episode_stress",
    "factor_scenarios",
    "in_unit_cube",
    "parse_event",
    "pooled_scenarios",
    "read_shocks",
    "reverse_stress",
    "shock_scenarios",
    "stress_scenarios",
    "tempered_scenarios",
]
