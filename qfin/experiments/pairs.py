"""Two assets of a run, any two: density, tail dependence and margins of the days and of the models, for the dashboard.

The density of the chain's first two assets is exact and stored with the run. That of another pair under a Born copula
on an elliptical base has no closed form; it is estimated from draws, in normal scores, where a Gaussian kernel meets no
edge (the transformation estimator, see Geenens, Charpentier and Paindaveine 2017). A kernel of width h also widens the
margins, to variance 1 + h²; dividing by these in place of the standard normal leaves independence exactly flat.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from qfin._random import stream
from qfin._types import FloatArray
from qfin.copulas.born import uniform_margins_of
from qfin.exceptions import InputError
from qfin.experiments.figures import TAIL_LEVELS, tail_dependence_by_level
from qfin.experiments.history import run_history
from qfin.experiments.run_folder import RunFolder
from qfin.experiments.runner import load_generator
from qfin.marginals import pseudo_observations

N_DRAWS = 20_000
_SHOWN = ("gaussian", "student_t", "drifting_t", "vine", "mps", "circuit")
_FARTHEST, _FINE = 4.0, 321  # the fine grid in normal scores that draws are counted on
_COARSE = slice(44, 277, 2)  # of it, that is shown: within ±2.9
_TAIL = np.geomspace(0.001, 0.05, 12)
_QUANTILES = np.concatenate([_TAIL, np.linspace(0.1, 0.9, 17), 1.0 - _TAIL[::-1]])


@dataclass(frozen=True, eq=False)
class PairView:
    """What is known of two assets.

    Attributes
    ----------
    assets : (str, str)
    u_test : array of shape (n_days, 2), ranks of the test days
    grid, densities : values of u, and the copula density on their square by model
    exact : bool
        Whether the densities are exact; else they are kernel estimates from `N_DRAWS` draws.
    levels, dependence_test, dependence : tail dependence of the pair as `tail_dependence_by_level` gives it
    opposite : bool
        Whether the test days of the two mostly move against each other.
    quantile_levels : probabilities; quantiles : returns at these under the fitted margins, (n_levels, 2)
    observed : the same of the days, by "test" and "train"
    """

    assets: tuple[str, str]
    u_test: FloatArray
    grid: FloatArray
    densities: dict[str, FloatArray]
    exact: bool
    levels: FloatArray
    dependence_test: FloatArray
    dependence: dict[str, FloatArray]
    opposite: bool
    quantile_levels: FloatArray
    quantiles: FloatArray
    observed: dict[str, FloatArray]


def pair_view(folder: RunFolder, first: str, second: str) -> PairView:
    """Two different assets of a run; the models' draws are kept, so that the next pair of the run costs little."""
    assets = folder.record["market"]["assets"]
    for name in (first, second):
        if name not in assets:
            raise InputError(f"asset: expected one of {', '.join(assets)}, received {name!r}")
    if first == second:
        raise InputError(f"assets: expected two different ones, received {first} twice")
    columns = [assets.index(first), assets.index(second)]
    written = folder.written
    train, test = _days(folder.path, written)
    draws = {name: u[:, columns] for name, u in _draws(folder.path, written).items()}
    u_test = pseudo_observations(test[:, columns])
    stored = folder.arrays("arrays/pair") if folder.has_arrays("arrays/pair") else {}
    exact = [str(name) for name in stored.get("assets", ())] == [first, second]
    if exact:
        grid = stored["grid"]
        densities = {name: stored[f"density_{name}"] for name in _SHOWN if f"density_{name}" in stored}
    else:
        base = folder.record["base"]["name"]
        grid = ndtr(_scores()[_COARSE])
        densities = {name: kernel_density(draws[name]) for name in _SHOWN if name in (base, "mps", "circuit")}
    panel = load_generator(folder, "mps").marginals_
    levels = np.repeat(_QUANTILES[:, None], len(assets), axis=1)
    return PairView(
        assets=(first, second),
        u_test=u_test,
        grid=grid,
        densities=densities,
        exact=exact,
        levels=TAIL_LEVELS,
        dependence_test=tail_dependence_by_level(u_test),
        dependence={name: tail_dependence_by_level(u) for name, u in draws.items()},
        opposite=bool(((u_test[:, 0] - 0.5) * (u_test[:, 1] - 0.5)).sum() < 0.0),
        quantile_levels=_QUANTILES,
        quantiles=panel.from_uniform(levels)[:, columns],
        observed={
            name: np.quantile(days[:, columns], _QUANTILES, axis=0) for name, days in (("train", train), ("test", test))
        },
    )


def kernel_density(u: FloatArray) -> FloatArray:
    """Copula density of draws (n, 2) on the square of the shown grid, by a Gaussian kernel in normal scores."""
    edges = np.linspace(-_FARTHEST, _FARTHEST, _FINE + 1) * _FINE / (_FINE - 1)
    step = edges[1] - edges[0]
    width = bandwidth(len(u))
    scores = np.clip(ndtri(u), -_FARTHEST, _FARTHEST)
    counts = np.histogram2d(scores[:, 0], scores[:, 1], bins=(edges, edges))[0]
    smooth = gaussian_filter(counts, width / step, mode="constant", truncate=6.0) / (len(u) * step**2)
    margin = norm.pdf(_scores(), scale=np.sqrt(1.0 + width**2))
    return np.asarray((smooth / np.outer(margin, margin))[_COARSE, _COARSE])


def bandwidth(n: int) -> float:
    """Scott's rule for two dimensions, in normal scores."""
    return float(n ** (-1.0 / 6.0))


def _scores() -> FloatArray:
    return np.linspace(-_FARTHEST, _FARTHEST, _FINE)


@lru_cache(maxsize=2)
def _draws(path: Path, written: int) -> dict[str, FloatArray]:
    """Draws of every copula of a run with exactly uniform margins, (N_DRAWS, n_assets), in model order."""
    folder = RunFolder.open(path)
    known = [name for name in _SHOWN if folder.has_arrays(f"models/{name}")]
    seed = folder.record["seed"]
    return {
        name: uniform_margins_of(
            np.asarray(load_generator(folder, name).copula_.sample(N_DRAWS, rng=stream(seed, "pairs", name)))
        )
        for name in known
    }


@lru_cache(maxsize=2)
def _days(path: Path, written: int) -> tuple[FloatArray, FloatArray]:
    """Returns of the complete training days and of the test days."""
    train, test = run_history(RunFolder.open(path))
    return train.dropna().to_numpy(), test.to_numpy()
