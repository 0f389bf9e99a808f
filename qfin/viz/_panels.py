"""Small panels in a grid, filled row by row."""

from collections.abc import Sequence
from typing import Any

from plotly.subplots import make_subplots

_GAP = 96  # pixels between rows: the axis title of the row above and the panel title of the row below


def panel_grid(titles: Sequence[str], n_columns: int, *, panel_height: int) -> tuple[Any, list[dict[str, int]], int]:
    """An empty figure, the row and column of each panel, and the height in pixels of all rows with their gaps."""
    n_rows = -(-len(titles) // n_columns)
    height = n_rows * panel_height + (n_rows - 1) * _GAP
    figure = make_subplots(
        rows=n_rows,
        cols=n_columns,
        subplot_titles=list(titles),
        horizontal_spacing=0.36 / n_columns if n_columns > 1 else 0.0,
        vertical_spacing=_GAP / height if n_rows > 1 else 0.0,
    )
    cells = [{"row": i // n_columns + 1, "col": i % n_columns + 1} for i in range(len(titles))]
    return figure, cells, height
