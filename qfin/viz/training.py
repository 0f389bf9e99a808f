"""Training curves: learned days against held-out days, and what shots alone improved."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qfin._types import AnyArray
from qfin.viz._panels import panel_grid
from qfin.viz.theme import MUTED, model_style, themed

_TITLES = {"mps": "MPS, all assets", "circuit": "Circuit, first assets", "shot": "Circuit, from shots alone"}


def training_figure(
    training: Mapping[str, AnyArray], *, stopped_at: Mapping[str, int] | None = None, narrow: bool = False
) -> Any:
    """One panel per training stage found in `training`.

    Parameters
    ----------
    training : mapping of arrays
        `<stage>_steps`, `<stage>_train`, `<stage>_validation` for the stages mps and circuit (nats per day above the
        base), `shot_steps` and `shot_mmd` for the training from shots (squared maximum mean discrepancy).
    stopped_at : mapping, optional
        The step whose parameters were kept, by stage (mps, circuit, shot).
    narrow : bool
        Panels below each other, for a screen of the width of a phone.
    """
    stages = [stage for stage in _TITLES if f"{stage}_steps" in training]
    figure, cells, height = panel_grid(
        [_TITLES[stage] for stage in stages], 1 if narrow else len(stages), panel_height=230
    )
    for stage, cell in zip(stages, cells, strict=True):
        figure.update_xaxes(title_text="Training step", **cell)
        if stage == "shot":
            values = training["shot_mmd"]
            _add_line(figure, training["shot_steps"], values, "Distance of shots to data", MUTED, "solid", cell)
            figure.update_yaxes(title_text="Squared MMD (0: same law)", rangemode="tozero", **cell)
        else:
            values = training[f"{stage}_validation"]
            _add_likelihood_curves(figure, stage, training, cell)
        _add_kept_step(figure, training[f"{stage}_steps"], values, (stopped_at or {}).get(stage), cell)
    return themed(figure, height=height + 140 + (130 if narrow else 0))


def _add_likelihood_curves(figure: Any, stage: str, training: Mapping[str, AnyArray], cell: dict[str, int]) -> None:
    label = "MPS" if stage == "mps" else "Circuit"
    color = model_style(stage).color
    steps = training[f"{stage}_steps"]
    _add_line(figure, steps, training[f"{stage}_train"], f"{label}, days learned from", color, "dot", cell)
    _add_line(figure, steps, training[f"{stage}_validation"], f"{label}, held-out days", color, "solid", cell)
    if cell["col"] == 1:
        figure.update_yaxes(title_text="Nats per day above the base", **cell)


def _add_line(
    figure: Any, steps: AnyArray, values: AnyArray, name: str, color: str, dash: str, cell: dict[str, int]
) -> None:
    figure.add_scatter(
        x=steps,
        y=values,
        mode="lines",
        name=name,
        line={"color": color, "dash": dash, "width": 2},
        hovertemplate="step %{x}: %{y:.4g}<extra></extra>",
        **cell,
    )


def _add_kept_step(
    figure: Any, steps: AnyArray, values: AnyArray, stopped_at: int | None, cell: dict[str, int]
) -> None:
    """A ring at the step whose parameters were kept, if the curve was read there."""
    for place in np.flatnonzero(np.asarray(steps) == stopped_at)[:1]:
        figure.add_scatter(
            x=[stopped_at],
            y=[values[place]],
            mode="markers",
            name="Step that was kept",
            legendgroup="kept",
            showlegend=not any(trace.legendgroup == "kept" for trace in figure.data),
            marker={"symbol": "circle-open", "size": 11, "color": "#000000", "line": {"width": 2}},
            hovertemplate="kept: step %{x}, %{y:.4g}<extra></extra>",
            **cell,
        )
