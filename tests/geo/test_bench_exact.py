"""The loop and the mixed-integer programmes find the same portfolios where all can be enumerated."""

from itertools import combinations

import numpy as np
import pytest

from qfin.bench.geo_booster import BOOSTED
from qfin.bench.geo_exact import bench_exact
from qfin.exceptions import InputError


def test_the_loop_and_the_programmes_agree_with_enumeration() -> None:
    rng = np.random.default_rng(4)
    market = 0.01 * rng.standard_normal((60, 1))
    returns = 0.001 + 0.0005 * rng.standard_normal(8) + market + 0.02 * rng.standard_normal((60, 8))
    result = bench_exact(returns, 3, ("variance", "shortfall"), ((56,), 2), limit_s=30.0)
    supports = np.array([np.isin(np.arange(8), held) for held in combinations(range(8), 3)])
    found = {(row["instance"], row["solver"]): row for row in result["rows"]}
    assert set(found) == {
        (name, solver)
        for name, exact in (("variance", "scip"), ("shortfall", "highs"))
        for solver in ("geo", exact, "skfolio")
    }
    for (name, solver), row in found.items():
        best = float(BOOSTED[name](returns, 3).solve(supports).values.min())
        assert row["value"] == pytest.approx(best, rel=1e-3 if solver == "skfolio" else 1e-5)
        assert row["bound"] <= best * (1.0 + 1e-6)
        assert row["proven"] == (solver in ("scip", "highs"))


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(InputError, match="variance, shortfall"):
        bench_exact(np.zeros((5, 4)), 2, ("var",), ((5,), 1), limit_s=1.0)
