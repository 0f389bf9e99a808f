"""How far draws of a copula are from uniform margins."""

import numpy as np
from numpy.typing import ArrayLike

from qfin._validation import as_unit_cube


def margin_deviation(u: ArrayLike) -> float:
    """Largest Kolmogorov–Smirnov distance of a column from the uniform law."""
    ordered = np.sort(as_unit_cube(u), axis=0)
    steps = np.arange(len(ordered) + 1.0)[:, None] / len(ordered)
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))
