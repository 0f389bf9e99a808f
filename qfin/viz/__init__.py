"""Viz: results of a run -> plotly figures."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "conditional_figure": "qfin.viz.stress",
    "cumulative_difference_figure": "qfin.viz.evaluation",
    "entanglement_figure": "qfin.viz.born",
    "fidelity_figure": "qfin.viz.born",
    "figure_div": "qfin.viz.html",
    "loss_distribution_figure": "qfin.viz.risk",
    "model_style": "qfin.viz.theme",
    "pair_density_figure": "qfin.viz.copulas",
    "plotly_script": "qfin.viz.html",
    "tail_dependence_figure": "qfin.viz.dependence",
    "tail_scatter_figure": "qfin.viz.scenarios",
    "training_figure": "qfin.viz.training",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'qfin.viz' has no attribute {name!r}")
