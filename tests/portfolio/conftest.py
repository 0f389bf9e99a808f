"""Small problems that several files share."""

import numpy as np
import pytest

from qfin.market.bundled import data_file
from qfin.portfolio import PortfolioProblem, ScenarioLoss


@pytest.fixture(scope="session")
def port1() -> PortfolioProblem:
    return PortfolioProblem.from_orlib(data_file("orlib/port1.txt"), risk_weight=0.5)


@pytest.fixture(scope="session")
def port5() -> PortfolioProblem:
    return PortfolioProblem.from_orlib(data_file("orlib/port5.txt"), risk_weight=0.5)


@pytest.fixture(scope="session")
def crash_returns() -> np.ndarray:
    """300 days of 12 assets with a common heavy-tailed factor."""
    rng = np.random.default_rng(3)
    factor = 0.01 * rng.standard_t(4, (300, 1))
    return factor * rng.uniform(0.5, 1.5, 12) + 0.012 * rng.standard_t(4, (300, 12)) + rng.normal(5e-4, 5e-4, 12)


@pytest.fixture(scope="session")
def shortfall_problem(crash_returns: np.ndarray) -> PortfolioProblem:
    names = tuple(f"a{column}" for column in range(12))
    return PortfolioProblem(names, ScenarioLoss(crash_returns, "shortfall", 0.9), (4, 4), bounds=(0.05, 0.6))
