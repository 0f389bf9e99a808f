"""Everything shown of a stress, as plain numbers: for the command line and the dashboard alike."""

from typing import Any

from qfin.risk import expected_shortfall, value_at_risk
from qfin.scenarios.stress import StressResult

_LEVELS = (0.95, 0.975, 0.99)


def stress_content(result: StressResult) -> dict[str, Any]:
    """A `StressResult` as JSON-ready numbers.

    `probability`, `probability_se`, `exact`, `ess`, `n`, `warning`; `book`, VaR and ES of equal weights by level, given
    the event and without it (`_before`); `rows`, mean and quantiles of every asset, likewise.
    """
    likelihood, given = result.likelihood, result.scenarios
    losses = {"": (given.losses(), given.probabilities), "_before": (result.baseline.losses(), None)}
    book = [
        {"level": level}
        | {f"var{key}": value_at_risk(loss, level, probabilities=weights) for key, (loss, weights) in losses.items()}
        | {
            f"es{key}": expected_shortfall(loss, level, probabilities=weights)
            for key, (loss, weights) in losses.items()
        }
        for level in _LEVELS
    ]
    return {
        "event": result.event,
        "probability": likelihood.probability,
        "probability_se": likelihood.standard_error,
        "exact": likelihood.exact,
        "ess": given.effective_sample_size,
        "n": len(given),
        "warning": result.warning,
        "book": book,
        "rows": result.asset_rows(),
    }
