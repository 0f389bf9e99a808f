"""Draws against history: stylised facts, dependence and two-sample tests, each beside what two halves of history give.

Facts as in Cont (2001), Quantitative Finance 1, 223–236. A figure far from history's is only a fault where it is
farther than one half of history is from the other, the floor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from qfin._random import RandomLike, as_generator, integer_seed
from qfin._types import FloatArray, IntArray
from qfin.evaluation.dependence import tail_dependence
from qfin.exceptions import InputError
from qfin.scenarios import ScenarioPaths, ScenarioSet

MIN_DAYS = 250  # in each half of history
LAGS: IntArray = np.arange(1, 21)
LEVERAGE_LAGS: IntArray = np.arange(1, 11)
AGGREGATED_DAYS = (1, 5, 20)
TAIL_LEVELS = (0.01, 0.025, 0.05, 0.1)
TAIL_SHARE = 0.05  # of the days behind a Hill estimate
MAX_ROWS = 2_000  # of each sample in the two-sample tests
_NORMAL_SPREAD = 3.4490  # (q99 − q01)/(q75 − q25) of a normal law: 2.3263/0.6745
_FOLDS = 5

# A fact maps segments of days (n_segments, n_days, n_assets) to one value per asset, pair or lag.
Fact = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class QualityRow:
    """One figure of draws and of history.

    Attributes
    ----------
    metric : str
    history, model : mean over assets, pairs and lags; None for two-sample tests, which have one figure only
    distance : mean absolute difference over assets, pairs and lags, or the two-sample test's figure
    floor : the same between the first and the second half of history
    """

    metric: str
    history: float | None
    model: float | None
    distance: float
    floor: float

    @property
    def ratio(self) -> float:
        """Distance over floor: up to about one, draws are as near to history as history is to itself."""
        return self.distance / self.floor if self.floor > 0.0 else np.inf


def quality_rows(
    scenarios: ScenarioSet | ScenarioPaths, history: pd.DataFrame, *, rng: RandomLike = None
) -> list[QualityRow]:
    """Every figure that the draws allow; facts about time need paths of more than 20 days.

    `history` are simple returns in order of time with the same columns; incomplete days are left out.
    """
    if tuple(str(name) for name in history.columns) != scenarios.assets:
        raise InputError(f"history: expected the columns {', '.join(scenarios.assets)} in that order")
    past = history.dropna().to_numpy(dtype=np.float64)
    if len(past) < 2 * MIN_DAYS:
        raise InputError(f"history: expected at least {2 * MIN_DAYS} complete days, received {len(past)}")
    rng = as_generator(rng)
    drawn = _segments(scenarios, rng)
    half = len(past) // 2
    samples = [past[None], drawn, past[None, :half], past[None, half : 2 * half]]
    facts = {**_day_facts(past.shape[1]), **(_serial_facts() if drawn.shape[1] > LAGS[-1] else {})}
    rows = [_fact_row(name, fact, samples) for name, fact in facts.items()]
    tests: dict[str, Callable[[FloatArray, FloatArray, np.random.Generator], float]] = {
        "energy distance": energy_distance,
        "classifier two-sample test, AUC − 1/2": lambda a, b, g: classifier_auc(a, b, g) - 0.5,
    }
    scale = past.std(axis=0)
    days = [segments.reshape(-1, past.shape[1]) / scale for segments in samples]
    return rows + [
        QualityRow(name, None, None, test(days[0], days[1], rng), test(days[2], days[3], rng))
        for name, test in tests.items()
    ]


def autocorrelation(segments: FloatArray, lags: IntArray = LAGS) -> FloatArray:
    """Autocorrelation of each asset by lag, shape (n_lags, n_assets), pooled over segments around one mean.

    Segments are (n_segments, n_days, n_assets); a mean per segment would bias short ones downwards.
    """
    return cross_lagged(segments, segments, lags)


def cross_lagged(first: FloatArray, second: FloatArray, lags: IntArray = LAGS) -> FloatArray:
    """Correlation of `first` with `second` as many days later as the lag says, (n_lags, n_assets), pooled."""
    a = first - first.mean(axis=(0, 1))
    b = second - second.mean(axis=(0, 1))
    scale = np.sqrt(np.square(a).mean(axis=(0, 1)) * np.square(b).mean(axis=(0, 1)))
    return np.array([(a[:, :-lag] * b[:, lag:]).mean(axis=(0, 1)) / scale for lag in lags])


def hill_index(x: FloatArray, share: float = TAIL_SHARE) -> FloatArray:
    """1/tail index of the largest values in each column (Hill 1975), from the `share` of rows that are largest."""
    k = max(int(share * len(x)), 2)
    largest = -np.partition(-x, k, axis=0)[: k + 1]
    largest = np.sort(largest, axis=0)[::-1]
    if (largest[-1] <= 0.0).any():
        raise InputError("Hill index: expected a positive tail of every column, received one that ends below zero")
    return np.asarray(np.log(largest[:-1] / largest[-1]).mean(axis=0))


def spread_excess(x: FloatArray) -> FloatArray:
    """(q99 − q01)/(q75 − q25) of each column over its normal value, less one: zero for normal, robust to outliers."""
    q01, q25, q75, q99 = np.quantile(x, [0.01, 0.25, 0.75, 0.99], axis=0)
    return np.asarray((q99 - q01) / (q75 - q25) / _NORMAL_SPREAD - 1.0)


def energy_distance(a: FloatArray, b: FloatArray, rng: RandomLike = None) -> float:
    """2·E|A − B| − E|A − A'| − E|B − B'| (Székely & Rizzo 2013), without bias, of at most `MAX_ROWS` rows each."""
    rng = as_generator(rng)
    a, b = _at_most(a, MAX_ROWS, rng), _at_most(b, MAX_ROWS, rng)
    within = [cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b)]
    return float(2.0 * cdist(a, b).mean() - sum(within))


def classifier_auc(a: FloatArray, b: FloatArray, rng: RandomLike = None) -> float:
    """Cross-validated area under the curve of boosted trees that tell rows of a from rows of b; 1/2: they cannot.

    Lopez-Paz & Oquab (2017); as many rows of each, at most `MAX_ROWS`.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    rng = as_generator(rng)
    n = min(len(a), len(b), MAX_ROWS)
    x = np.vstack([_at_most(a, n, rng), _at_most(b, n, rng)])
    label = np.repeat([0, 1], n)
    seed = integer_seed(rng)
    trees = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=8, random_state=seed)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    with threadpool_limits(1):  # threads that share so few rows wait for each other on a busy machine
        score = cross_val_predict(trees, x, label, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(label, score))


def _day_facts(n_assets: int) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "volatility": lambda s: np.asarray(_days(s).std(axis=0)),
        "1/tail index of losses (Hill)": lambda s: hill_index(-_days(s)),
        "1/tail index of gains (Hill)": lambda s: hill_index(_days(s)),
    }
    if n_assets > 1:
        facts["correlation"] = _correlations
        for level in TAIL_LEVELS:
            for side, name in enumerate(("lower", "upper")):
                facts[f"{name} tail dependence, {level:.1%}"] = partial(_joint_tails, level=level, side=side)
    return facts


def _serial_facts() -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        f"autocorrelation of returns, lags 1–{LAGS[-1]}": autocorrelation,
        f"autocorrelation of absolute returns, lags 1–{LAGS[-1]}": lambda s: autocorrelation(np.abs(s)),
        f"leverage effect, lags 1–{LEVERAGE_LAGS[-1]}": lambda s: cross_lagged(s, np.abs(s), LEVERAGE_LAGS),
    }
    for days in AGGREGATED_DAYS:
        facts[f"non-normality of {days}-day returns"] = partial(_aggregated_spread, days=days)
    return facts


def _days(segments: FloatArray) -> FloatArray:
    return segments.reshape(-1, segments.shape[2])


def _correlations(segments: FloatArray) -> FloatArray:
    matrix = np.atleast_2d(np.corrcoef(_days(segments), rowvar=False))
    return np.asarray(matrix[np.triu_indices(len(matrix), k=1)])


def _joint_tails(segments: FloatArray, level: float, side: int) -> FloatArray:
    days = _days(segments)
    found = tail_dependence(rankdata(days, axis=0) / (len(days) + 1.0), level)[side]
    return np.asarray(found[np.triu_indices(len(found), k=1)])


def _aggregated_spread(segments: FloatArray, days: int) -> FloatArray:
    n_segments, n_days, n_assets = segments.shape
    kept = np.log1p(segments[:, : n_days // days * days])
    return spread_excess(kept.reshape(n_segments, -1, days, n_assets).sum(axis=2).reshape(-1, n_assets))


def _fact_row(name: str, fact: Fact, samples: list[FloatArray]) -> QualityRow:
    history, model, first, second = (np.asarray(fact(segments)) for segments in samples)
    distance, floor = (float(np.abs(a - b).mean()) for a, b in ((history, model), (first, second)))
    return QualityRow(name, float(history.mean()), float(model.mean()), distance, floor)


def _segments(scenarios: ScenarioSet | ScenarioPaths, rng: np.random.Generator) -> FloatArray:
    """Equally likely segments of days; weighted draws are resampled."""
    returns = scenarios.returns if isinstance(scenarios, ScenarioPaths) else scenarios.returns[:, None]
    if scenarios.probabilities is None:
        return returns
    return returns[rng.choice(len(returns), size=len(returns), p=scenarios.probabilities)]


def _at_most(x: FloatArray, n_rows: int, rng: np.random.Generator) -> FloatArray:
    return x if len(x) <= n_rows else x[rng.choice(len(x), size=n_rows, replace=False)]
