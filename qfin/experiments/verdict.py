"""Who is ahead, in plain sentences that come from the intervals of the tables."""

from typing import Any

from qfin._types import FloatArray
from qfin.experiments.comparison import gap

# Nats a day below which a difference is not worth a word, however narrow its interval.
_NEGLIGIBLE = 5e-4
_NAMES = {
    "historical": "historical simulation",
    "gaussian": "the Gaussian copula",
    "student_t": "the Student-t copula",
    "drifting_t": "the drifting Student t",
    "vine": "the vine copula",
    "independence": "independence",
    "mps": "the Born machine (MPS)",
    "circuit": "the Born machine (circuit)",
}


def verdict(
    rows: list[dict[str, Any]],
    daily: dict[str, FloatArray],
    head_daily: dict[str, FloatArray],
    realised: dict[str, float],
    circuit: dict[str, Any],
    seed: int,
) -> list[str]:
    """Sentences on the likelihood of unseen days, on what the circuit adds, and on the book's expected shortfall."""
    nearest = min(rows, key=lambda row: abs(row["es_975"] - realised["es_975"]))
    sentences = [
        _best_sentence(rows, daily, seed),
        "Circuit beside the chain it was made from, all assets: the circuit "
        + _comparison(daily["circuit"], daily["mps"], seed, "circuit", "the matrix product state"),
        "Circuit beside its classical twin, first assets alone: the trained circuit "
        + _comparison(
            head_daily["circuit (trained)"],
            head_daily["mps (equal parameters)"],
            seed,
            "circuit (trained)",
            "a matrix product state with as many parameters",
        ),
        f"The book's expected shortfall at 97.5% was {realised['es_975']:.2%} in the test window; "
        f"nearest is {_NAMES[nearest['model']]} with {nearest['es_975']:.2%}.",
    ]
    if circuit["stopped_at"] == 0:
        sentences.insert(3, "Training the circuit on gained nothing on held-out days, so the mapped circuit was kept.")
    return sentences


def _best_sentence(rows: list[dict[str, Any]], daily: dict[str, FloatArray], seed: int) -> str:
    ranked = sorted((row for row in rows if row["loglik"] is not None), key=lambda row: -row["loglik"])
    best, classical = ranked[0], next(row for row in ranked if row["kind"] == "classical")
    name, rival = best["model"], classical["model"]
    if best is classical:
        return f"On unseen days {_NAMES[name]}, a classical model, is ahead: {best['loglik']:.3f} nats a day."
    return f"On unseen days {_NAMES[name]} has {best['loglik']:.3f} nats a day and " + _comparison(
        daily[name], daily[rival], seed, name, f"{_NAMES[rival]}, the best classical model here"
    )


def _comparison(values: FloatArray, reference: FloatArray, seed: int, name: str, rival: str) -> str:
    difference = gap(values, reference, seed, name)
    lower, upper = difference.lower, difference.upper
    interval = f"({_signed(difference.mean)}, 95% interval {_signed(lower)} to {_signed(upper)})."
    if max(abs(lower), abs(upper)) < _NEGLIGIBLE:
        return f"equals {rival} to the third decimal {interval}"
    if lower > 0:
        return f"is ahead of {rival} {interval}"
    if upper < 0:
        return f"is behind {rival} {interval}"
    return f"cannot be told from {rival} {interval}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")
