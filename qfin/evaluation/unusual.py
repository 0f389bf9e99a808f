"""How unusual each day is under a model, and which assets and pairs make it so."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln

from qfin._random import RandomLike, as_generator
from qfin._types import FloatArray, IntArray
from qfin.copulas.reference import Reference, reference_of
from qfin.copulas.truncated import Elliptical, normal_log_density
from qfin.scenarios import ScenarioGenerator

_N_NODES = 40  # on either side of the observed value
_N_PAIR_NODES = 12
_FARTHEST = 8.0
_N_ASSETS_SHOWN, _N_PAIRS_SHOWN = 5, 3


def score_days(
    generator: ScenarioGenerator,
    returns: ArrayLike | pd.DataFrame,
    *,
    n_simulated: int = 10_000,
    n_explained: int = 10,
    rng: RandomLike = None,
) -> pd.DataFrame:
    """The log-density of every day under a fitted generator, against days that the generator draws itself.

    Returns
    -------
    DataFrame, one row per day, with the index of `returns`
        `log_density` (nats, marginals and copula together), `percentile` (share of simulated days that are less likely
        still), `rank` (1 for the least likely day), and for the `n_explained` least likely days (empty otherwise):

        `assets`: the most surprising assets, as dicts of `asset`, `return`, `one_in` (a move as extreme, to either
        side, comes once in so many days given what all other assets did) and `one_in_alone` (given nothing).
        `pairs`: the pairs that broke their link most, as dicts of `pair` and `link`: log c(u_i, u_j | rest) −
        log c(u_i | rest) − log c(u_j | rest), in nats, negative where the two moved less together than the model
        expects given all others.

    Notes
    -----
    Both explanations condition on all other assets, so that they do not hang on an order of the assets. They are
    integrals over one or two assets of the model's density, by Gauss quadrature in the conditional law of the
    elliptical copula near the model, of which the model's density is a smooth multiple.
    """
    rng = as_generator(rng)
    log_density = generator.score_samples(returns)
    simulated = np.sort(generator.score_samples(_named(generator, generator.sample(n_simulated, rng=rng))))
    table = pd.DataFrame(
        {
            "log_density": log_density,
            "percentile": np.searchsorted(simulated, log_density, side="left") / n_simulated,
            "rank": log_density.argsort().argsort() + 1,
        },
        index=returns.index if isinstance(returns, pd.DataFrame) else None,
    )
    matrix = np.asarray(returns, dtype=np.float64)
    days = np.argsort(log_density)[:n_explained]
    reference = reference_of(generator.copula_, rng)
    explained = {int(day): _explained(generator, reference, matrix[day]) for day in days}
    for key in ("assets", "pairs"):
        table[key] = [explained[day][key] if day in explained else [] for day in range(len(table))]
    return table


def _named(generator: ScenarioGenerator, matrix: FloatArray) -> Any:
    names = getattr(generator, "feature_names_in_", None)
    return matrix if names is None else pd.DataFrame(matrix, columns=names)


def _explained(generator: ScenarioGenerator, reference: Reference, day: FloatArray) -> dict[str, list[dict[str, Any]]]:
    u = generator.marginals_.to_uniform(day[None])[0]
    names = generator.marginals_.assets_
    surprises = [_conditional(reference, u, i) for i in range(len(u))]
    tails = np.array([surprise.tail for surprise in surprises])
    order = np.argsort(tails)[:_N_ASSETS_SHOWN]
    assets = [
        {
            "asset": names[i],
            "return": float(day[i]),
            "one_in": float(1.0 / tails[i]),
            "one_in_alone": float(1.0 / (2.0 * min(u[i], 1.0 - u[i]))),
        }
        for i in order
    ]
    pairs = [pair for pair in combinations(range(len(u)), 2) if set(pair) & set(order.tolist())]
    links = np.array([_link(reference, u, pair, surprises) for pair in pairs])
    broken = [{"pair": [names[i] for i in pairs[k]], "link": float(links[k])} for k in np.argsort(links)]
    return {"assets": assets, "pairs": broken[:_N_PAIRS_SHOWN]}


@dataclass(frozen=True)
class _Surprise:
    """`tail`: the two-sided chance of an asset's value given all others; `log_mass`: log E[ratio] over the asset."""

    tail: float
    log_mass: float


def _conditional(reference: Reference, u: FloatArray, asset: int) -> _Surprise:
    """Integrals of the ratio over one asset, below and above its value, in its law given the others."""
    law = reference.law
    here = _latent_of(law, u, asset)
    nodes, weights = np.polynomial.legendre.leggauss(_N_NODES)
    halves = [(-_FARTHEST, here), (here, _FARTHEST)]
    y = np.concatenate([0.5 * (b - a) * nodes + 0.5 * (a + b) for a, b in halves])
    mass = np.concatenate([0.5 * (b - a) * weights for a, b in halves]) * np.exp(normal_log_density(y))
    log_ratio = reference.log_ratio(_replaced(law, u, np.array([asset]), y[:, None]))
    top = log_ratio.max()
    integrals = (mass * np.exp(log_ratio - top)).reshape(2, -1).sum(1)
    total = float(integrals.sum())
    return _Surprise(max(2.0 * float(integrals.min()) / total, 1e-300), top + float(np.log(total)))


def _link(reference: Reference, u: FloatArray, pair: tuple[int, int], surprises: list[_Surprise]) -> float:
    """Pointwise mutual information of two assets given the others, nats."""
    law = reference.law
    nodes, weights = np.polynomial.hermite_e.hermegauss(_N_PAIR_NODES)
    weights = weights / weights.sum()
    grid = np.array(np.meshgrid(nodes, nodes, indexing="ij")).reshape(2, -1).T
    log_ratio = reference.log_ratio(np.vstack([_replaced(law, u, np.array(pair), grid), u[None]]))
    log_mass = log_ratio.max() + np.log(np.outer(weights, weights).ravel() @ np.exp(log_ratio[:-1] - log_ratio.max()))
    z = law.score(u)
    rest = [np.delete(np.arange(len(u)), list(out)) for out in ((), pair, pair[:1], pair[1:])]
    densities = [_log_density(law, z, columns) for columns in rest]
    ratio_part = log_ratio[-1] + log_mass - surprises[pair[0]].log_mass - surprises[pair[1]].log_mass
    return float(densities[0] + densities[1] - densities[2] - densities[3] + ratio_part)


def _latent_of(law: Elliptical, u: FloatArray, asset: int) -> float:
    """The normal innovation of an asset given all others."""
    n_before = len(u) - 1
    order = np.append(np.delete(np.arange(len(u)), asset), asset)
    cholesky = np.linalg.cholesky(law.correlation[np.ix_(order, order)])
    e = np.linalg.solve(cholesky, law.score(u[order]))
    scale = law.scale(np.array([np.sum(e[:-1] ** 2)]), n_before)
    return float(np.clip(law.to_normal(e[-1:] / scale, n_before)[0], 1e-6 - _FARTHEST, _FARTHEST - 1e-6))


def _replaced(law: Elliptical, u: FloatArray, columns: IntArray, y: FloatArray) -> FloatArray:
    """u with the columns replaced by what the normal innovations y (n, len(columns)) make of them given the others."""
    rest = np.delete(np.arange(len(u)), columns)
    order = np.concatenate([rest, columns])
    cholesky = np.linalg.cholesky(law.correlation[np.ix_(order, order)])
    known = np.linalg.solve(cholesky[: len(rest), : len(rest)], law.score(u[rest]))
    e = np.concatenate([np.broadcast_to(known, (len(y), len(rest))), np.empty_like(y)], axis=1)
    for k in range(len(columns)):
        i = len(rest) + k
        e[:, i] = law.from_normal(y[:, k], i) * law.scale(np.sum(e[:, :i] ** 2, axis=1), i)
    result = np.broadcast_to(u, (len(y), len(u))).copy()
    result[:, columns] = law.uniform(e @ cholesky[len(rest) :].T)
    return result


def _log_density(law: Elliptical, z: FloatArray, columns: IntArray) -> float:
    """Joint log density of some scores."""
    cholesky = np.linalg.cholesky(law.correlation[np.ix_(columns, columns)])
    e = np.linalg.solve(cholesky, z[columns])
    d, log_root = len(columns), float(np.log(np.diag(cholesky)).sum())
    if np.isinf(law.degrees):
        return float(-0.5 * e @ e - 0.5 * d * np.log(2.0 * np.pi) - log_root)
    nu = law.degrees
    constant = gammaln((nu + d) / 2) - gammaln(nu / 2) - d / 2 * np.log(nu * np.pi) - log_root
    return float(constant - (nu + d) / 2 * np.log1p(e @ e / nu))
