"""Independent bits given their number of ones (conditional Bernoulli): exact draws, marginals, fit and log-probability.

The weight of all ways to finish a string is a Poisson-binomial sum, built site by site (Chen, Dempster and Liu 1994).
"""

import numpy as np

from qfin._types import BoolArray, FloatArray

_CHUNK_BYTES = 1 << 26


def completions(odds: FloatArray, counts: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """G[b, i, q]: weight of all ways to go from q ones before site i to a count in range, scaled; and the log-scale.

    The true weight is G · exp(log_scale[b, i]); odds is (batch, n).
    """
    batch, n_bits = odds.shape
    weights = np.zeros((batch, n_bits + 1, counts[1] + 1))
    log_scale = np.zeros((batch, n_bits + 1))
    weights[:, n_bits, counts[0] :] = 1.0
    for i in range(n_bits - 1, -1, -1):
        weights[:, i] = weights[:, i + 1]
        weights[:, i, :-1] += odds[:, i, None] * weights[:, i + 1, 1:]
        scale = weights[:, i].max(axis=1)
        weights[:, i] /= scale[:, None]
        log_scale[:, i] = log_scale[:, i + 1] + np.log(scale)
    return weights, log_scale


def draw_with_count(odds: FloatArray, counts: tuple[int, int], rng: np.random.Generator) -> BoolArray:
    """One exact draw for each row of odds (rows, n), with counts[0] to counts[1] ones."""
    uniforms = rng.random(odds.shape)
    step = max(1, _CHUNK_BYTES // (8 * (odds.shape[1] + 1) * (counts[1] + 1)))
    parts = range(0, len(odds), step)
    return np.concatenate([_draw(odds[j : j + step], counts, uniforms[j : j + step]) for j in parts])


def draw_many_with_count(
    odds: FloatArray, counts: tuple[int, int], n_samples: int, rng: np.random.Generator
) -> BoolArray:
    """Exact draws that share their odds (n,), shape (n_samples, n)."""
    return _draw(odds[None], counts, rng.random((n_samples, len(odds))))


def _draw(odds: FloatArray, counts: tuple[int, int], uniforms: FloatArray) -> BoolArray:
    ways, _ = completions(odds, counts)
    rows = np.arange(len(uniforms)) if len(odds) > 1 else np.zeros(len(uniforms), dtype=np.int64)
    bits = np.zeros(uniforms.shape, dtype=bool)
    held = np.zeros(len(uniforms), dtype=np.int64)
    for i in range(uniforms.shape[1]):
        more = np.minimum(held + 1, counts[1])
        one = odds[rows, i] * ways[rows, i + 1, more] * (held < counts[1])
        bits[:, i] = uniforms[:, i] * (one + ways[rows, i + 1, held]) < one
        held += bits[:, i]
    return bits


def marginals_with_count(odds: FloatArray, counts: tuple[int, int]) -> FloatArray:
    """P(bit = 1) of each site, odds (n,)."""
    ways, log_ways = completions(odds[None], counts)
    ahead = np.zeros(counts[1] + 1)
    ahead[0], log_ahead = 1.0, 0.0
    shares = np.empty(len(odds))
    for i, odd in enumerate(odds):
        one = odd * ahead[:-1] @ ways[0, i + 1, 1:]
        shares[i] = one * np.exp(log_ahead + log_ways[0, i + 1] - log_ways[0, 0]) / ways[0, 0, 0]
        ahead[1:] += odd * ahead[:-1]
        scale = ahead.max()
        ahead /= scale
        log_ahead += np.log(scale)
    return shares


def fit_odds(shares: FloatArray, counts: tuple[int, int], n_steps: int = 30, tolerance: float = 1e-6) -> FloatArray:
    """Odds whose marginals given the count are `shares` (n,), each in (0, 1): maximum likelihood for those means."""
    wanted = shares / (1.0 - shares)
    odds = wanted.copy()
    for _ in range(n_steps):
        reached = np.clip(marginals_with_count(odds, counts), 1e-12, 1.0 - 1e-12)
        if np.abs(reached - shares).max() < tolerance:
            break
        odds *= wanted * (1.0 - reached) / reached
        odds /= np.exp(np.log(odds).mean()) if counts[0] == counts[1] else 1.0
    return odds


def log_prob_with_count(odds: FloatArray, counts: tuple[int, int], bits: BoolArray) -> FloatArray:
    """log P of strings bits (strings, n) under odds (n,); −inf outside the range."""
    ways, log_ways = completions(odds[None], counts)
    totals = bits.sum(axis=1)
    inside = (totals >= counts[0]) & (totals <= counts[1])
    values = bits @ np.log(odds) - log_ways[0, 0] - np.log(ways[0, 0, 0])
    return np.asarray(np.where(inside, values, -np.inf))
