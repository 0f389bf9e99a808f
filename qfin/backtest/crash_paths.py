"""Paths that begin with a crash: a day drawn given an event, then days from the volatility that it leaves behind."""

import numpy as np

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray
from qfin.exceptions import InputError
from qfin.marginals.volatility import next_variance, simulate_returns
from qfin.scenarios import FilteredHistoricalPaths, GarchCopulaPaths, PathGenerator, ScenarioPaths


def paths_after(generator: PathGenerator, first: FloatArray, horizon: int, *, rng: RandomLike = None) -> ScenarioPaths:
    """Paths of `horizon` days whose first day is `first`, simple returns of shape (n_paths, n_assets).

    The generator's filter takes that day as the one after its fit: each path goes on from a volatility of its own,
    within the bounds that its simulations keep to.
    """
    if not isinstance(generator, GarchCopulaPaths | FilteredHistoricalPaths):
        raise InputError(
            f"event: expected paths of garch or fhs, which react to a shock, received {type(generator).__name__}"
        )
    volatility, rng = generator.volatility_, as_generator(rng)
    n_assets = len(volatility.assets_)
    if first.ndim != 2 or first.shape[1] != n_assets or not (first > -1.0).all():
        raise InputError(f"first: expected returns above −1, shape (n_paths, {n_assets}), received {first.shape}")
    if horizon < 2:
        raise InputError(f"horizon: expected at least 2 days, the first being the event's, received {horizon}")
    today = np.broadcast_to(np.square(volatility.state_), first.shape)
    shock = (np.log1p(first) - volatility.params_[:, 0]) / np.sqrt(today)
    tomorrow = np.clip(next_variance(volatility.model, volatility.params_, today, shock), *volatility.bounds_)
    n_days = len(first) * (horizon - 1)
    if isinstance(generator, FilteredHistoricalPaths):
        z = generator.residuals_[rng.integers(len(generator.residuals_), size=n_days)]
    else:
        z = np.asarray(generator.marginals_.from_uniform(generator.copula_.sample(n_days, rng=rng)))
    bounds = (volatility.bounds_[0], volatility.bounds_[1])
    innovations = z.reshape(len(first), horizon - 1, n_assets)
    later = simulate_returns(volatility.model, volatility.params_, innovations, tomorrow, bounds)
    returns = np.concatenate([first[:, None], later.returns], axis=1)
    provenance: dict[str, str | int | float] = {"generator": type(generator).__name__, "first_day": "given"}
    provenance["n_bounded"] = later.n_bounded
    return ScenarioPaths(returns, volatility.assets_, provenance=provenance)
