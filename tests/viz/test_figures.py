"""Figures show what they were given: traces, axes, colours, and nothing that a name could smuggle in."""

import json
from typing import Any

import numpy as np
import pytest

from qfin.viz import (
    cumulative_difference_figure,
    entanglement_figure,
    fidelity_figure,
    loss_distribution_figure,
    model_style,
    pair_density_figure,
    tail_scatter_figure,
    training_figure,
)

MODELS = ("student_t", "mps", "circuit")
ASSETS = ("JPM", "XOM")
BAD_NAME = "<img src=x onerror=alert(1)>"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def named(figure: Any, name: str) -> Any:
    found = [trace for trace in figure.data if trace.name == name]
    assert len(found) == 1, [trace.name for trace in figure.data]
    return found[0]


def panel(figure: Any, trace: Any) -> tuple[Any, Any]:
    """The axes that a trace is drawn on."""
    return tuple(figure.layout[f"{axis}axis{(trace[f'{axis}axis'] or axis)[1:]}"] for axis in "xy")  # type: ignore[return-value]


def training_arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    steps = np.arange(0, 100, 10)
    curves = {
        f"{stage}_{part}": rng.normal(size=10) for stage in ("mps", "circuit") for part in ("train", "validation")
    }
    return {
        **curves,
        "mps_steps": steps,
        "circuit_steps": 2 * steps,
        "shot_steps": np.arange(7),
        "shot_mmd": rng.uniform(size=7),
    }


@pytest.mark.parametrize("narrow", [False, True])
def test_training_curves_and_the_kept_step(rng: np.random.Generator, narrow: bool) -> None:
    arrays = training_arrays(rng)
    figure = training_figure(arrays, stopped_at={"mps": 30, "circuit": 0, "shot": 6}, narrow=narrow)
    for label, stage in (("MPS", "mps"), ("Circuit", "circuit")):
        for words, part in (("days learned from", "train"), ("held-out days", "validation")):
            trace = named(figure, f"{label}, {words}")
            np.testing.assert_array_equal(trace.x, arrays[f"{stage}_steps"])
            np.testing.assert_array_equal(trace.y, arrays[f"{stage}_{part}"])
            assert trace.line.color == model_style(stage).color
    kept = [trace for trace in figure.data if trace.name == "Step that was kept"]
    assert [(trace.x[0], trace.y[0]) for trace in kept] == [
        (30, arrays["mps_validation"][3]),
        (0, arrays["circuit_validation"][0]),
        (6, arrays["shot_mmd"][6]),
    ]
    assert [trace.showlegend for trace in kept] == [True, False, False]
    shots = named(figure, "Distance of shots to data")
    np.testing.assert_array_equal(shots.y, arrays["shot_mmd"])
    assert "MMD" in panel(figure, shots)[1].title.text
    assert len({panel(figure, trace)[0].plotly_name for trace in figure.data}) == 3
    columns = {tuple(panel(figure, trace)[0].domain) for trace in figure.data}
    assert len(columns) == (1 if narrow else 3)


def test_training_without_shots_and_without_a_circuit_has_fewer_panels(rng: np.random.Generator) -> None:
    arrays = {name: values for name, values in training_arrays(rng).items() if name.startswith("mps")}
    figure = training_figure(arrays)
    assert [trace.name for trace in figure.data] == ["MPS, days learned from", "MPS, held-out days"]
    assert [note.text for note in figure.layout.annotations] == ["MPS, all assets"]


@pytest.mark.parametrize("narrow", [False, True])
def test_pair_density_is_log2_with_u1_along_x(rng: np.random.Generator, narrow: bool) -> None:
    grid = np.array([0.02, 0.07, 0.2, 0.5, 0.9])
    densities = {name: rng.uniform(0.2, 6.0, size=(5, 5)) for name in MODELS}
    u = np.array([[0.05, 0.03], [0.05, 0.5], [0.7, 0.2], [0.09, 0.099]])
    figure = pair_density_figure(u, grid, densities, assets=ASSETS, narrow=narrow)
    contours = [trace for trace in figure.data if trace.type == "contour"]
    wide = [trace for trace in contours if len(trace.x) == 5]
    corners = [trace for trace in contours if len(trace.x) == 3]  # two values below 0.1 and one beyond
    assert len(wide) == len(corners) == 3
    for name, whole, corner in zip(MODELS, wide, corners, strict=True):
        for j in range(5):
            for i in range(5):
                assert 2.0 ** whole.z[j][i] == pytest.approx(densities[name][i, j])
        np.testing.assert_array_equal(corner.z, whole.z[:3, :3])
        np.testing.assert_array_equal(whole.customdata, densities[name].T)
        assert whole.coloraxis == corner.coloraxis == "coloraxis"
        assert tuple(panel(figure, whole)[0].range) == (0.0, 1.0)
        assert tuple(panel(figure, corner)[1].range) == (0.0, 0.1)
        assert "JPM" in panel(figure, whole)[0].title.text
    points = [trace for trace in figure.data if trace.type == "scatter"]
    assert sorted(len(trace.x) for trace in points) == [2, 2, 2, 2, 4]
    np.testing.assert_array_equal(max(points, key=lambda trace: len(trace.x)).y, u[:, 1])
    assert figure.layout.coloraxis.cmin == -figure.layout.coloraxis.cmax
    titles = [note.text for note in figure.layout.annotations]
    assert titles.count("Corner") == 4
    assert {"Test days", *(model_style(name).label for name in MODELS)} < set(titles)


def test_pair_density_of_opposite_assets_enlarges_the_other_corner(rng: np.random.Generator) -> None:
    grid = np.array([0.02, 0.07, 0.2, 0.88, 0.93, 0.98])
    density = rng.uniform(0.2, 6.0, size=(6, 6))
    u = np.array([[0.05, 0.95], [0.05, 0.05], [0.95, 0.05], [0.01, 0.905]])
    figure = pair_density_figure(u, grid, {"mps": density}, assets=ASSETS, opposite=True)
    corner = next(trace for trace in figure.data if trace.type == "contour" and len(trace.x) == 3)
    assert list(corner.y) == [0.88, 0.93, 0.98]
    assert 2.0 ** corner.z[2][0] == pytest.approx(density[0, 5])
    assert [tuple(axis.range) for axis in panel(figure, corner)] == [(0.0, 0.1), (0.9, 1.0)]
    points = [trace for trace in figure.data if trace.type == "scatter" and len(trace.x) == 2]
    assert [list(trace.y) for trace in points] == [[0.95, 0.905]] * 2


def test_pair_density_of_zero_stays_drawable(rng: np.random.Generator) -> None:
    density = np.array([[0.0, 1.0], [1.0, 2.0]])
    figure = pair_density_figure(rng.uniform(size=(9, 2)), np.array([0.05, 0.5]), {"mps": density}, assets=ASSETS)
    json.loads(figure.to_json(), parse_constant=pytest.fail)
    assert np.isfinite(figure.data[1].z).all()


@pytest.mark.parametrize("narrow", [False, True])
def test_tail_scatter_compares_equal_numbers_in_the_joint_corner(rng: np.random.Generator, narrow: bool) -> None:
    returns = rng.multivariate_normal([0, 0], [[1e-4, 6e-5], [6e-5, 1e-4]], size=500)
    draws = {name: rng.multivariate_normal([0, 0], [[1e-4, 6e-5], [6e-5, 1e-4]], size=900) for name in MODELS}
    figure = tail_scatter_figure(returns, draws, assets=ASSETS, narrow=narrow)
    lower = [np.quantile(returns[:, j], 0.1) for j in (0, 1)]

    def in_corner(rows: np.ndarray) -> list[tuple[float, float]]:
        return [(x, y) for x, y in rows.tolist() if x < lower[0] and y < lower[1]]

    days = in_corner(returns)
    assert 10 < len(days) < 100
    rings = [trace for trace in figure.data if trace.name == f"Test days: {len(days)} of 500"]
    assert len(rings) == 3
    assert [trace.showlegend for trace in rings] == [True, False, False]
    for name, ring in zip(MODELS, rings, strict=True):
        dots = named(figure, model_style(name).label)
        expected = in_corner(draws[name][:500])
        assert list(zip(-dots.x, -dots.y, strict=True)) == expected
        assert list(zip(-ring.x, -ring.y, strict=True)) == days
        assert dots.marker.color == model_style(name).color
        assert f"{model_style(name).label}: {len(expected)} draws" in [note.text for note in figure.layout.annotations]
        for axis, values in zip(panel(figure, dots), (dots.x, dots.y), strict=True):
            assert axis.type == "log"
            # The worst day is at the low end, as on an axis of returns, and none lies outside.
            low, high = 10.0 ** np.array(axis.range)
            assert low > max(values) > min(values) >= high
    assert figure.layout.xaxis.ticktext[list(figure.layout.xaxis.tickvals).index(0.02)] == "−2%"


def test_tail_scatter_of_opposite_assets_shows_falls_against_rises(rng: np.random.Generator) -> None:
    returns = rng.multivariate_normal([0, 0], [[1e-4, -6e-5], [-6e-5, 1e-4]], size=300)
    figure = tail_scatter_figure(returns, {"mps": returns}, assets=ASSETS, opposite=True)
    low, high = np.quantile(returns[:, 0], 0.1), np.quantile(returns[:, 1], 0.9)
    expected = [(x, y) for x, y in returns.tolist() if x < low and y > high]
    dots = named(figure, model_style("mps").label)
    assert len(expected) > 5
    assert list(zip(-dots.x, dots.y, strict=True)) == expected
    x_axis, y_axis = panel(figure, dots)
    assert x_axis.range[0] > x_axis.range[1]
    assert y_axis.range[0] < y_axis.range[1]
    assert y_axis.ticktext[0] == "+0.1%"


def test_tail_scatter_without_a_joint_bad_day(rng: np.random.Generator) -> None:
    opposite = np.stack([np.linspace(-0.02, 0.02, 40), -np.linspace(-0.02, 0.02, 40)], axis=1)
    figure = tail_scatter_figure(opposite, {"mps": opposite}, assets=ASSETS)
    assert [len(trace.x) for trace in figure.data] == [0, 0]


def test_loss_curves_are_the_share_of_larger_losses(rng: np.random.Generator) -> None:
    losses = {name: rng.standard_t(4, size=4000) / 100 for name in ("historical", *MODELS)}
    realised = rng.standard_t(3, size=300) / 100
    measures = {"mps": (0.021, 0.031), "historical": (None, None), "realised": (0.024, 0.035)}
    figure = loss_distribution_figure(losses, realised, measures, level=0.975)
    for name, values in losses.items():
        trace = named(figure, model_style(name).label)
        assert (trace.line.color, trace.line.dash) == (model_style(name).color, model_style(name).dash)
        shares = [np.mean(values > x) for x in trace.x]
        np.testing.assert_allclose(shares, trace.y, atol=1.5 / 4000)
        assert trace.y[0] == 0.5
        assert trace.y[-1] == pytest.approx(10 / 4000)
    steps = named(figure, model_style("realised").label)
    assert len(steps.x) == 150
    assert [np.mean(realised >= x) for x in steps.x] == pytest.approx(list(steps.y))
    assert steps.line.shape == "hv"
    var, es = named(figure, "VaR 97.5%"), named(figure, "ES 97.5%")
    assert list(var.x) == [0.021, 0.024]
    assert list(var.y) == pytest.approx([0.025, 0.025])
    assert list(es.x) == [0.031, 0.035]
    assert list(es.y) == [np.mean(losses["mps"] > 0.031), np.mean(realised > 0.035)]
    assert list(es.marker.color) == [model_style("mps").color, model_style("realised").color]
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.xaxis.tickformat.endswith("%")
    assert figure.layout.yaxis.ticktext[4] == "2.5%"


def test_cumulative_gain_ends_at_the_sum_and_the_base_is_zero(rng: np.random.Generator) -> None:
    dates = np.datetime64("2011-01-03") + np.arange(50)
    days = {name: rng.normal(size=50) for name in ("gaussian", "student_t", "mps")}
    figure = cumulative_difference_figure(dates, days, base="student_t")
    for name in ("gaussian", "mps"):
        trace = named(figure, model_style(name).label)
        assert trace.y[-1] == pytest.approx(days[name].sum() - days["student_t"].sum())
        assert trace.y[0] == pytest.approx(days[name][0] - days["student_t"][0])
        np.testing.assert_array_equal(np.asarray(trace.x, dtype="datetime64[D]"), dates)
    assert not named(figure, f"{model_style('student_t').label} (base)").y.any()
    assert figure.layout.yaxis.range[0] < min(trace.y.min() for trace in figure.data)
    assert "Nats" in figure.layout.yaxis.title.text


def test_a_curve_far_behind_leaves_the_view_and_says_where_it_ends() -> None:
    days = {"gaussian": np.full(4, -300.0), "student_t": np.zeros(4), "mps": np.array([1.0, -2.0, 3.0, 1.0])}
    figure = cumulative_difference_figure(np.arange(4), days, base="student_t")
    assert named(figure, f"{model_style('gaussian').label} (ends at −1,200)").y[-1] == -1200.0
    low, high = figure.layout.yaxis.range
    assert -2.0 < low < -1.0
    assert 3.0 < high < 4.0


@pytest.mark.parametrize("behind", ["gaussian", "mps", "circuit"])
def test_a_born_machine_far_behind_stays_in_view_and_so_does_a_lone_rival(behind: str) -> None:
    days = {behind: np.full(4, -300.0), "student_t": np.zeros(4)}
    figure = cumulative_difference_figure(np.arange(4), days, base="student_t")
    assert figure.layout.yaxis.range[0] < -1200.0
    assert "ends at" not in str([trace.name for trace in figure.data])


def test_entropy_bars_stand_between_their_assets() -> None:
    figure = entanglement_figure([0.1, 0.3], assets=("A", "B", "C"))
    (bars,) = figure.data
    assert list(bars.x) == [0.5, 1.5]
    assert list(bars.y) == [0.1, 0.3]
    assert list(bars.text) == ["A | B", "B | C"]
    assert list(figure.layout.xaxis.ticktext) == ["A", "B", "C"]
    assert list(figure.layout.xaxis.tickvals) == [0, 1, 2]


def test_fidelity_counts_layers_from_one() -> None:
    figure = fidelity_figure([0.8, 0.95, 0.99])
    (line,) = figure.data
    assert list(line.x) == [1, 2, 3]
    assert list(line.y) == [0.8, 0.95, 0.99]
    assert figure.layout.yaxis.range[0] < 0.8 < 1.0 < figure.layout.yaxis.range[1]


def test_models_have_their_own_colour_and_label() -> None:
    names = ("historical", "independence", "gaussian", "student_t", "vine", "mps", "circuit", "realised")
    styles = [model_style(name) for name in names]
    assert len({style.color for style in styles}) == len({style.label for style in styles}) == len(names)
    assert model_style("grouped_t").label == "grouped_t"


def test_names_are_text_and_not_markup(rng: np.random.Generator) -> None:
    u = rng.uniform(size=(30, 2))
    assets = (BAD_NAME, "B")
    days = {"student_t": rng.normal(size=5), BAD_NAME: rng.normal(size=5)}
    figures = [
        pair_density_figure(u, np.array([0.05, 0.5]), {BAD_NAME: np.ones((2, 2))}, assets=assets),
        tail_scatter_figure(u - 0.5, {BAD_NAME: u - 0.5}, assets=assets),
        loss_distribution_figure({BAD_NAME: u[:, 0]}, u[:, 1], {BAD_NAME: (0.9, 0.95)}),
        cumulative_difference_figure(np.arange(5), days, base="student_t"),
        entanglement_figure([0.1], assets=assets),
    ]
    for figure in figures:
        text = json.dumps(figure.to_plotly_json(), default=lambda array: array.tolist())
        assert "<img" not in text
        assert "&lt;img" in text
