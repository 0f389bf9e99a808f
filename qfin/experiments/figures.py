"""Arrays that the report's figures need and that are too fine for the record."""

from typing import Any

import numpy as np
from scipy.special import ndtr

from qfin._types import FloatArray
from qfin.born import CircuitBornMachine
from qfin.experiments.models import Models
from qfin.experiments.panel import Panel

_GRID = 121
TAIL_LEVELS = np.geomspace(0.005, 0.5, 25)


def pair_density_arrays(panel: Panel, models: Models, circuit: CircuitBornMachine) -> dict[str, Any]:
    """Copula density of the first two assets on a grid: the base's, the chain's and the circuit's exact marginals."""
    grid = ndtr(np.linspace(-2.9, 2.9, _GRID))
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    # The Rosenblatt transform of the first two assets needs no others: any value in their place will do.
    padded = np.full((len(points), len(panel.assets)), 0.5)
    padded[:, :2] = points
    y = models.copulas["mps"].latent(padded)[:, :2]
    base = _base_pair_density(models.base, padded, points)
    densities = {
        models.base_name: base,
        "mps": base * np.exp(models.mps.head_log_ratio(y)),
        "circuit": base * circuit_pair_ratio(circuit, y),
    }
    arrays: dict[str, Any] = {
        "assets": np.array(panel.assets[:2]),
        "u_train": panel.u_train[:, :2],
        "u_test": panel.u_test[:, :2],
        "grid": grid,
    }
    return arrays | {f"density_{name}": values.reshape(_GRID, _GRID) for name, values in densities.items()}


def _base_pair_density(base: Any, padded: FloatArray, points: FloatArray) -> FloatArray:
    """Density of the base's first two assets: the slope of w_2 = C(u_2 | u_1) in u_2, by central differences."""
    step = 1e-5 * np.minimum(points[:, 1], 1.0 - points[:, 1])
    above, below = padded.copy(), padded.copy()
    above[:, 1] += step
    below[:, 1] -= step
    rise = base.rosenblatt(above)[:, 1] - base.rosenblatt(below)[:, 1]
    return np.asarray(rise / (2.0 * step))


def circuit_pair_ratio(circuit: CircuitBornMachine, y: FloatArray) -> FloatArray:
    """Density ratio of the circuit's first two registers with the others summed out, shape (n,)."""
    size = 2**circuit.n_qubits_per_register
    state = circuit.statevector().reshape(size, size, -1)
    from qfin.basis.hermite import hermite_functions

    first, second = hermite_functions(y[:, 0], size), hermite_functions(y[:, 1], size)
    gram = np.einsum("ijr,klr->ijkl", state, state.conj())
    pair = np.einsum("ni,nj->nij", first, second).reshape(len(y), -1)
    return np.asarray(np.einsum("na,ab,nb->n", pair, gram.reshape(size**2, size**2), pair, optimize=True).real)


def tail_dependence_by_level(u: FloatArray) -> FloatArray:
    """Mean tail dependence of all pairs at `TAIL_LEVELS` and its standard error, (4, n_levels): lower, upper, errors.

    P(both beyond q)/q, averaged over pairs: with k assets beyond q on a day, k(k − 1)/(d(d − 1)q) in the mean of days.
    The errors take days for independent. By the ranks of u itself, lest a shift of the margins be read as dependence.
    """
    n, d = u.shape
    ranks = u.argsort(axis=0).argsort(axis=0)
    values, errors = np.empty((2, len(TAIL_LEVELS))), np.empty((2, len(TAIL_LEVELS)))
    for tail, places in enumerate((ranks, n - 1 - ranks)):
        for j, level in enumerate(TAIL_LEVELS):
            beyond = (places < level * n).sum(axis=1)
            shares = beyond * (beyond - 1.0) / (d * (d - 1.0) * level)
            values[tail, j], errors[tail, j] = shares.mean(), shares.std() / np.sqrt(n)
    return np.concatenate([values, errors])


def tail_arrays(panel: Panel, draws: dict[str, Any]) -> dict[str, Any]:
    """Simple returns of the first two assets, and tail dependence by level: test days and the models' draws."""
    arrays: dict[str, Any] = {
        "assets": np.array(panel.assets[:2]),
        "returns_test": panel.test.to_numpy()[:, :2],
        "returns_train": panel.train.to_numpy()[:, :2],
        "levels": TAIL_LEVELS,
        "dependence_test": tail_dependence_by_level(panel.u_test),
    }
    return arrays | {name: values for name, values in draws.items() if name.startswith(("draws_", "dependence_"))}


def day_arrays(panel: Panel, daily: dict[str, FloatArray]) -> dict[str, Any]:
    dates = panel.test.index.to_numpy().astype("datetime64[D]")
    return {"dates": dates} | {f"loglik_{name}": values for name, values in daily.items()}
