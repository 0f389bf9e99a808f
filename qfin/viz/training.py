"""Training curves: learned days against held-out days, and what shots alone improved."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

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
        The step whose parameters were kept, by stage.
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
            _add_shot_curve(figure, training, cell)
        else:
            _add_likelihood_curves(figure, stage, training, (stopped_at or {}).get(stage), cell)
    return themed(figure, height=height + 140 + (130 if narrow else 0))


def _add_likelihood_curves(
    figure: Any, stage: str, training: Mapping[str, AnyArray], stopped_at: int | None, cell: dict[str, int]
) -> None:
    style = model_style(stage)
    steps = training[f"{stage}_steps"]
    for part, dash, words in (("train", "dot", "days learned from"), ("validation", "solid", "held-out days")):
        figure.add_scatter(
            x=steps,
            y=training[f"{stage}_{part}"],
            mode="lines",
            name=f"{stage.upper() if stage == 'mps' else stage.capitalize()}, {words}",
            line={"color": style.color, "dash": dash, "width": 2},
            hovertemplate="step %{x}: %{y:.4f} nats<extra></extra>",
            **cell,
        )
    kept = np.flatnonzero(np.asarray(steps) == stopped_at)
    if len(kept):
        figure.add_trace(
            go.Scatter(
                x=[stopped_at],
                y=[training[f"{stage}_validation"][kept[0]]],
                mode="markers",
                name="Step that was kept",
                legendgroup="kept",
                showlegend=not any(trace.legendgroup == "kept" for trace in figure.data),
                marker={"symbol": "circle-open", "size": 11, "color": "#000000", "line": {"width": 2}},
                hovertemplate="kept: step %{x}, %{y:.4f} nats<extra></extra>",
            ),
            **cell,
        )
    if cell["col"] == 1:
        figure.update_yaxes(title_text="Nats per day above the base", **cell)


def _add_shot_curve(figure: Any, training: Mapping[str, AnyArray], cell: dict[str, int]) -> None:
    figure.add_scatter(
        x=training["shot_steps"],
        y=training["shot_mmd"],
        mode="lines",
        name="Distance of shots to data",
        line={"color": MUTED, "width": 2},
        hovertemplate="step %{x}: %{y:.5f}<extra></extra>",
        **cell,
    )
    figure.update_yaxes(title_text="Squared MMD (0: same law)", rangemode="tozero", **cell)
