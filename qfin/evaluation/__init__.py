"""Evaluation: log-densities and draws -> out-of-sample figures with their uncertainty."""

from qfin.evaluation.dependence import kendall_error, kendall_matrix, tail_dependence, tail_dependence_error
from qfin.evaluation.likelihood import (
    DifferenceEstimate,
    MeanEstimate,
    mean_log_likelihood,
    paired_difference,
)
from qfin.evaluation.margins import margin_deviation
from qfin.evaluation.stylised import QualityRow, quality_rows
from qfin.evaluation.unusual import score_days

__all__ = [
    "DifferenceEstimate",
    "MeanEstimate",
    "QualityRow",
    "kendall_error",
    "kendall_matrix",
    "margin_deviation",
    "mean_log_likelihood",
    "paired_difference",
    "quality_rows",
    "score_days",
    "tail_dependence",
    "tail_dependence_error",
]
