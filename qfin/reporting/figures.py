"""Figures of a run with their titles, captions and descriptions, ready for the page."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from qfin._types import AnyArray
from qfin.experiments.run_folder import RunFolder
from qfin.reporting.numbers import count, fixed
from qfin.viz import (
    cumulative_difference_figure,
    entanglement_figure,
    fidelity_figure,
    figure_div,
    loss_distribution_figure,
    model_style,
    pair_density_figure,
    tail_dependence_figure,
    tail_scatter_figure,
    training_figure,
)

Arrays = Mapping[str, AnyArray]


@dataclass(frozen=True)
class FigureBlock:
    """A figure and the words around it; `narrow` is drawn in its place on the screen of a phone."""

    name: str
    title: str
    caption: str
    description: str
    figure: Any
    narrow: Any = None

    @property
    def html(self) -> Markup:
        """The figure as a piece of the report."""
        # figure_div escapes what it writes into the page.
        return Markup(
            figure_div(self.figure, div_id=f"figure-{self.name}", description=self.description, narrow=self.narrow)
        )


def result_figures(folder: RunFolder) -> Iterator[FigureBlock]:
    """Figures on the quality of the models, in the order they are read; those without stored arrays are left out."""
    makers: list[tuple[str, str, Callable[[dict[str, Any], Arrays], FigureBlock]]] = [
        ("book", "losses_test", _losses),
        ("days", "dates", _gains),
        ("tail", "returns_test", _tail),
        ("tail", "dependence_test", _dependence),
        ("pair", "grid", _pair),
        ("training", "mps_steps", _training),
    ]
    for archive, needed, make in makers:
        arrays = folder.arrays(f"arrays/{archive}") if folder.has_arrays(f"arrays/{archive}") else {}
        if needed in arrays:
            yield make(folder.record, arrays)


def mapping_figures(record: Mapping[str, Any]) -> Iterator[FigureBlock]:
    """Figures on the way from the tensor network to the circuit."""
    mps, mapping = record.get("mps"), record.get("mapping")
    if mapping and mapping.get("fidelity_by_layer"):
        yield FigureBlock(
            "fidelity",
            "How close the circuit comes, layer by layer",
            "Fidelity is the squared overlap of two states: 1 means the circuit prepares exactly the state it copies.",
            "Line of the fidelity between the matrix product state and the circuit after each layer of gates.",
            fidelity_figure(mapping["fidelity_by_layer"]),
        )
    if mps and mps.get("entropies"):
        figure = entanglement_figure(mps["entropies"], assets=record["market"]["assets"])
        yield FigureBlock(
            "entanglement",
            "What the chain carries between neighbours",
            "Entropy of each cut of the chain of assets: how much of what the Born machine learned, beyond the base, "
            f"ties the assets on one side to those on the other. Bond dimension {mps['max_bond']} could carry "
            f"{fixed(math.log(mps['max_bond']), 2)} nats.",
            "Bars of the entanglement entropy for every cut between neighbouring assets of the chain.",
            figure,
        )


def _losses(record: dict[str, Any], arrays: Arrays) -> FigureBlock:
    losses = _by_model(record, arrays, "losses_")
    measured = {row["model"]: row for row in record["rows"]} | {"realised": record.get("realised") or {}}
    measures = {name: (row.get("var_975"), row.get("es_975")) for name, row in measured.items()}
    sizes = sorted({len(values) for values in losses.values()})
    scenarios = count(sizes[0]) if len(sizes) == 1 else f"{count(sizes[0])} to {count(sizes[-1])}"
    return FigureBlock(
        "losses",
        "How often the book loses how much",
        f"Read it from the loss upward: the share of days that lose more than this. {scenarios} scenarios per model "
        f"against {count(len(arrays['losses_test']))} realised days; curves end where fewer than ten scenarios are "
        "left. Circles: value at risk at 97.5%, on the dotted line at 2.5%; diamonds: expected shortfall, the mean "
        "loss beyond it.",
        "Curves of the probability of a larger daily loss of the equal-weight book, on a logarithmic axis, one per "
        "model, with the realised test window in black and markers for value at risk and expected shortfall.",
        loss_distribution_figure(losses, arrays["losses_test"], measures),
    )


def _gains(record: dict[str, Any], arrays: Arrays) -> FigureBlock:
    base = record["base"]["name"]
    return FigureBlock(
        "gains",
        "When each model gained on the base",
        f"Log-likelihood of the test days in nats, added up day by day, minus that of the {model_style(base).label}. A "
        "steady climb is skill; a single jump is a handful of days.",
        "Lines of the cumulative out-of-sample log-likelihood of each model above the base, by date.",
        cumulative_difference_figure(arrays["dates"], _by_model(record, arrays, "loglik_"), base=base),
    )


def _tail(record: dict[str, Any], arrays: Arrays) -> FigureBlock:
    shown = (record["base"]["name"], "mps", "circuit")
    draws = {name: drawn for name, drawn in _by_model(record, arrays, "draws_").items() if name in shown}
    first, second = (str(name) for name in arrays["assets"])
    opposite = _move_against(arrays["returns_test"])
    wide, narrow = (
        tail_scatter_figure(arrays["returns_test"], draws, assets=(first, second), opposite=opposite, narrow=narrow)
        for narrow in (False, True)
    )
    corner = (
        f"{first} falls below its 10% quantile and {second}, which moves against it, rises above its 90% quantile"
        if opposite
        else "both fall below their 10% quantile"
    )
    return FigureBlock(
        "tail",
        f"Extreme days of {first} and {second} together",
        f"Days of the test window on which {corner}: black rings are the days that came, coloured dots those among an "
        "equal number of draws from each model. A good model puts as many dots in this corner, and as far out.",
        f"Scatter of simple returns of {first} and {second} in a joint tail, one panel per model, test days against "
        "draws.",
        wide,
        narrow,
    )


def _dependence(record: dict[str, Any], arrays: Arrays) -> FigureBlock:
    models = {name: values[:2] for name, values in _by_model(record, arrays, "dependence_").items()}
    data, errors = arrays["dependence_test"][:2], arrays["dependence_test"][2:]
    wide, narrow = (
        tail_dependence_figure(arrays["levels"], data, errors, models, narrow=narrow) for narrow in (False, True)
    )
    return FigureBlock(
        "dependence",
        "Does dependence last into the tails?",
        "Mean over all pairs of assets: when one of them is among its worst (left) or best (right) days, how often the "
        "other is too. Read it from right to left: the further left, the rarer the days. Under a Gaussian copula the "
        "curves bend towards zero; the band is two standard errors of the test days either way.",
        "Curves of lower and upper tail dependence by level, one per model, with the test days in black and a band.",
        wide,
        narrow,
    )


def _pair(record: dict[str, Any], arrays: Arrays) -> FigureBlock:
    densities = _by_model(record, arrays, "density_")
    first, second = (str(name) for name in arrays["assets"])
    u, opposite = arrays["u_test"], _move_against(arrays["u_test"])
    wide, narrow = (
        pair_density_figure(u, arrays["grid"], densities, assets=(first, second), opposite=opposite, narrow=narrow)
        for narrow in (False, True)
    )
    corner = (
        f"{first} is among its worst 10% and {second}, which moves against it, among its best"
        if opposite
        else "both are among their worst 10%"
    )
    return FigureBlock(
        "density",
        f"How the models see {first} and {second} move together",
        "Each return is replaced by its rank u between 0 (worst) and 1 (best). Colours give the copula density: 2 "
        "means twice as many days as if the two were independent; from one contour to the next but one it doubles. "
        f"The second view enlarges the corner where {corner}, with the test days as black points.",
        f"Contours of the copula density of {first} and {second} for each model beside the test days, and one corner "
        "enlarged.",
        wide,
        narrow,
    )


def _move_against(pair: AnyArray) -> bool:
    """Whether two assets mostly move in opposite directions."""
    return bool(np.corrcoef(pair.T)[0, 1] < 0.0)


def _training(record: dict[str, Any], arrays: Arrays) -> FigureBlock:
    stopped_at = {stage: record[stage]["stopped_at"] for stage in ("mps", "circuit") if record.get(stage)}
    shots = (record.get("circuit") or {}).get("shot_training")
    if shots:
        stopped_at["shot"] = shots["kept_at"]
    wide, narrow = (training_figure(arrays, stopped_at=stopped_at, narrow=narrow) for narrow in (False, True))
    return FigureBlock(
        "training",
        "How training went",
        "Solid: days held out of training; dotted: days learned from. Where the two part, the model begins to learn "
        "noise; the ringed step, best on held-out days, is the one that was kept. From shots, the distance between "
        "drawn and observed values (MMD) is lowered instead of the likelihood.",
        "Training curves of the matrix product state, of the circuit, and of the circuit from measured shots.",
        wide,
        narrow,
    )


def _by_model(record: dict[str, Any], arrays: Arrays, prefix: str) -> dict[str, AnyArray]:
    """Arrays of the models of the table, in its order."""
    return {row["model"]: arrays[prefix + row["model"]] for row in record["rows"] if prefix + row["model"] in arrays}
