"""Figures as pieces of a web page that asks nothing of any server."""

from html import escape
from typing import Any

import plotly.io
from plotly.offline import get_plotlyjs

# Draws the figure that suits the screen and follows its container; swiping over a small screen scrolls; a printed
# figure has one width, which the page scales to the paper.
_DRAW = """
window.qfinFigure = (id, wide, narrow) => {
  const element = document.getElementById(id);
  const small = window.matchMedia("screen and (max-width: 640px)");
  const config = { displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]] };
  const draw = () => {
    const { data, layout } = small.matches && narrow ? narrow : wide;
    // Anew: what is updated in place keeps the other figure's titles where they were.
    Plotly.newPlot(element, data, { ...structuredClone(layout), dragmode: small.matches ? false : "zoom" }, config);
  };
  draw();
  small.addEventListener("change", draw);
  new ResizeObserver(() => Plotly.Plots.resize(element)).observe(element);
  window.addEventListener("beforeprint", () => Plotly.relayout(element, { autosize: false, width: 900 }));
  window.addEventListener("afterprint", () => Plotly.relayout(element, { autosize: true, width: null }));
};
"""


def plotly_script() -> str:
    """The text of plotly.js and of the function that `figure_div` calls, to stand once in a script element."""
    return f"{get_plotlyjs()}\n{_DRAW}"


def figure_div(figure: Any, *, div_id: str, description: str, narrow: Any = None) -> str:
    """The figure as an HTML div and the script that draws it; `plotly_script()` must stand before it in the page.

    Parameters
    ----------
    figure : plotly Figure
    div_id : str
        Identifier, once per page.
    description : str
        What the figure shows, for those who do not see it.
    narrow : plotly Figure, optional
        Drawn in place of `figure` on screens up to 640 pixels wide.
    """
    drawn = [_json(part) for part in (figure, narrow) if part is not None]
    return (
        f'<div id="{escape(div_id)}" role="img" aria-label="{escape(description)}"></div>\n'
        f'<script>qfinFigure("{escape(div_id)}", {", ".join(drawn)});</script>'
    )


def _json(figure: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text: str = plotly.io.to_json(figure, validate=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028")
