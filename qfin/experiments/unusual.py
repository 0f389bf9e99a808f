"""The unusual days of the test window, with the assets and pairs that make them so."""

from typing import Any

from qfin._random import stream
from qfin.evaluation import score_days
from qfin.experiments.panel import Panel
from qfin.scenarios import ScenarioGenerator

_SHOWN_DAYS, _SHOWN_ASSETS, _SHOWN_PAIRS = 10, 3, 1
_SIMULATED = 5_000


def unusual_days(generator: ScenarioGenerator, panel: Panel, seed: int) -> dict[str, Any]:
    """The least likely test days under `generator`, JSON-ready, least likely first."""
    scored = score_days(
        generator,
        panel.test,
        n_simulated=_SIMULATED,
        n_explained=min(_SHOWN_DAYS, len(panel.test)),
        rng=stream(seed, "unusual"),
    )
    book = panel.test.mean(axis=1)
    rows = []
    for date, day in scored.sort_values("rank").head(_SHOWN_DAYS).iterrows():
        rows.append(
            {
                "date": str(date.date()),
                "percentile": float(day["percentile"]),
                "book_return": float(book.loc[date]),
                "assets": [
                    {"asset": str(a["asset"]), "return": float(a["return"]), "one_in": float(a["one_in"])}
                    for a in day["assets"][:_SHOWN_ASSETS]
                ],
                "pairs": [[str(name) for name in p["pair"]] for p in day["pairs"][:_SHOWN_PAIRS] if p["link"] < 0],
            }
        )
    return {"rows": rows, "n_simulated": _SIMULATED}
