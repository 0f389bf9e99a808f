"""Views on top of draws: the nearest probabilities under which what an expert expects is true."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from qfin._types import FloatArray
from qfin.exceptions import InputError
from qfin.scenarios.scenario_set import ScenarioSet

VIEWS = ("mean", "variance", "correlation", "skew", "kurtosis", "value_at_risk", "cvar")


def pooled_scenarios(scenarios: ScenarioSet, views: Mapping[str, Sequence[str]], *, level: float = 0.95) -> ScenarioSet:
    """The same draws with probabilities that meet the views and are nearest to the old ones (entropy pooling).

    Parameters
    ----------
    views : kind -> sentences of skfolio, such as ``{"mean": ["JPM == -0.02"], "correlation": ["(JPM, XOM) >= 0.8"]}``;
        kinds are `VIEWS`
    level : confidence of the views on value at risk and cvar

    Notes
    -----
    Meucci (2008), by `skfolio.prior.EntropyPooling`; the provenance holds the relative entropy, in nats.
    """
    from skfolio.prior import EntropyPooling

    unknown = set(views) - set(VIEWS)
    if unknown or not any(views.values()):
        raise InputError(f"views: expected kinds among {', '.join(VIEWS)}, received {', '.join(views) or 'none'}")
    arguments = {f"{kind}_views": list(sentences) for kind, sentences in views.items()}
    pooling = EntropyPooling(
        prior_estimator=_prior(scenarios.probabilities), value_at_risk_beta=level, cvar_beta=level, **arguments
    )
    try:
        pooling.fit(pd.DataFrame(scenarios.returns, columns=list(scenarios.assets)))
    except Exception as error:  # skfolio has errors of many kinds for sentences and for views that cannot be met
        raise InputError(f"views: expected sentences that the draws can meet, received: {error}") from error
    probabilities = np.clip(pooling.return_distribution_.sample_weight, 0.0, None)
    provenance = {
        **scenarios.provenance,
        "views": "; ".join(f"{kind}: {sentence}" for kind, sentences in views.items() for sentence in sentences),
        "relative_entropy": float(pooling.relative_entropy_),
    }
    return ScenarioSet(scenarios.returns, scenarios.assets, probabilities / probabilities.sum(), provenance)


def _prior(probabilities: FloatArray | None) -> object:
    """skfolio's empirical prior, or one that carries probabilities."""
    from skfolio.prior import BasePrior, EmpiricalPrior, ReturnDistribution

    if probabilities is None:
        return EmpiricalPrior()

    class WeightedPrior(BasePrior):  # type: ignore[misc]
        def __init__(self, sample_weight: FloatArray | None = None) -> None:
            self.sample_weight = sample_weight

        def fit(self, X: FloatArray, y: None = None, **_: object) -> "WeightedPrior":
            returns = np.asarray(X, dtype=np.float64)
            self.return_distribution_ = ReturnDistribution(
                mu=np.average(returns, axis=0, weights=self.sample_weight),
                covariance=np.cov(returns, rowvar=False, aweights=self.sample_weight),
                returns=returns,
                sample_weight=self.sample_weight,
            )
            return self

    return WeightedPrior(probabilities)
