"""Trading rules over paths: accounting, the past alone, errors with path and day, and history beside the paths."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from qfin.backtest.crash_paths import paths_after, runs_given
from qfin.backtest.path_files import read_paths
from qfin.backtest.rule_risk import rule_row
from qfin.backtest.rules import BUILT_IN, Rule, load_rule
from qfin.backtest.strategies import StrategyPaths, Trading, history_windows, run_rule
from qfin.cli.strategy import strategy
from qfin.copulas import GaussianCopula
from qfin.exceptions import InputError
from qfin.experiments import RunFolder
from qfin.experiments.config import preset
from qfin.experiments.history import run_history
from qfin.scenarios import FilteredHistoricalPaths, GarchCopulaPaths, ScenarioGenerator, ScenarioPaths
from qfin.viz.strategy import drawdown_figure, write_drawdown_page

FREE = Trading(cost=0.0, every=1)


def moves(n_paths: int = 6, horizon: int = 30, n_assets: int = 3, seed: int = 0) -> np.ndarray:
    return 0.02 * np.random.default_rng(seed).standard_normal((n_paths, horizon, n_assets))


def of_one(name: str, weights: object) -> Rule:
    return Rule(name, weights, False)


def test_buy_and_hold_is_the_mean_price_and_trades_once() -> None:
    returns = moves()
    found = run_rule(load_rule("builtin:buy-hold"), returns, trading=Trading(cost=0.0, every=3))
    assert found.wealth[:, 1:] == pytest.approx(np.cumprod(1.0 + returns, axis=1).mean(axis=2))
    assert found.turnover == pytest.approx(np.ones(6))
    paid = run_rule(load_rule("builtin:buy-hold"), returns, trading=Trading(cost=0.01, every=3))
    assert paid.wealth[:, 1:] == pytest.approx(0.99 * found.wealth[:, 1:])


def test_constant_weights_compound_their_returns_and_drift_between_looks() -> None:
    returns = moves()
    weights = np.array([0.5, 0.3, -0.1])
    rule = of_one("constant", lambda prices: weights)
    daily = run_rule(rule, returns, trading=FREE)
    assert daily.wealth[:, 1:] == pytest.approx(np.cumprod(1.0 + returns @ weights, axis=1))
    seldom = run_rule(rule, returns, trading=Trading(cost=0.0, every=30))
    growth = np.cumprod(1.0 + returns, axis=1)
    assert seldom.wealth[:, 1:] == pytest.approx(1.0 + (growth - 1.0) @ weights)


def test_cost_by_hand() -> None:
    """All in on the first look, all out on the second: 1 % of one, then 1 % of what it has become."""
    returns = np.array([[[0.1], [0.5], [0.5]]])
    rule = of_one("out", lambda prices: np.array([1.0 if len(prices) == 1 else 0.0]))
    found = run_rule(rule, returns, trading=Trading(cost=0.01, every=1))
    assert found.wealth[0] == pytest.approx([1.0, 0.99 * 1.1, 0.99 * 1.1 * 0.99, 0.99 * 1.1 * 0.99])


def test_leverage_above_the_limit_is_scaled_and_counted() -> None:
    returns = moves()
    rule = of_one("twice", lambda prices: np.array([1.0, 1.0, -1.0]))
    found = run_rule(rule, returns, trading=Trading(cost=0.0, every=1, max_leverage=1.5))
    assert found.n_capped == 6 * 30
    assert found.wealth[:, 1] == pytest.approx(1.0 + returns[:, 0] @ np.array([0.5, 0.5, -0.5]))


def test_wealth_ends_at_zero_under_leverage() -> None:
    rule = of_one("bold", lambda prices: np.array([3.0]))
    found = run_rule(rule, np.array([[[-0.4], [1.0], [1.0]]]), trading=Trading(0.0, 1, 3.0))
    assert found.wealth[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert found.max_drawdown[0] == 1.0


@pytest.mark.parametrize("name", BUILT_IN)
def test_changing_the_future_changes_nothing_before_it(name: str) -> None:
    returns, past = moves(), moves(1, 120, seed=1)
    changed = returns.copy()
    changed[:, 17:] = moves(6, 13, seed=2)
    before, after = (run_rule(load_rule(f"builtin:{name}"), r, past=past, trading=FREE) for r in (returns, changed))
    assert np.array_equal(before.wealth[:, :18], after.wealth[:, :18])


def test_a_rule_of_the_user_sees_the_past_alone_and_cannot_write() -> None:
    returns, past = moves(2, 5), moves(1, 4, seed=3)
    seen: list[np.ndarray] = []

    def look(prices: np.ndarray) -> np.ndarray:
        assert prices.base is None  # no way from what it sees to the whole path
        with pytest.raises(ValueError, match="read-only"):
            prices[0] = 0.0
        seen.append(prices)
        return np.zeros(3)

    run_rule(of_one("look", look), returns, past=past, trading=FREE)
    assert [len(prices) for prices in seen] == [5, 5, 6, 6, 7, 7, 8, 8, 9, 9]
    growth = np.cumprod(1.0 + returns[1], axis=0)
    assert seen[-1][4:] == pytest.approx(np.vstack([np.ones(3), growth[:4]]))
    assert seen[-1][3] == pytest.approx(1.0 / (1.0 + past[0, -1]))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_rule_treats_each_path_as_if_alone(name: str) -> None:
    returns, past = moves(), moves(1, 120, seed=1)
    rule = load_rule(f"builtin:{name}")
    alone = of_one(name, lambda prices: BUILT_IN[name](prices[None])[0])
    together, apart = (run_rule(r, returns, past=past, trading=FREE) for r in (rule, alone))
    assert together.wealth == pytest.approx(apart.wealth)


def test_what_the_built_in_rules_ask_for() -> None:
    rising, falling = 1.001 ** np.arange(120), 0.99 ** np.arange(120)
    prices = np.stack([rising, falling], axis=1)[None]
    assert BUILT_IN["trend"](prices)[0].tolist() == [0.5, 0.0]
    assert BUILT_IN["stop-loss"](prices)[0].tolist() == [0.0, 0.0]  # the book lost 24 % in 60 days
    rng = np.random.default_rng(4)
    noisy = np.cumprod(1.0 + rng.standard_normal((1, 120, 2)) * [0.01, 0.03], axis=1)
    spread = (noisy[:, 1:] / noisy[:, :-1] - 1.0)[0, -60:]
    assert BUILT_IN["risk-parity"](noisy)[0] == pytest.approx((1 / spread.std(axis=0)) / (1 / spread.std(axis=0)).sum())
    target = 0.10 / (spread.mean(axis=1).std() * np.sqrt(252))
    assert BUILT_IN["vol-target"](noisy)[0].sum() == pytest.approx(min(1.0, target))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def weights(prices):\n    return 1 / 0 if len(prices) > 2 else [0, 0, 0]", "ZeroDivisionError"),
        ("def weights(prices):\n    return [float('nan'), 0, 0] if len(prices) > 2 else [0, 0, 0]", "finite"),
        ("def weights(prices):\n    return [1.0] if len(prices) > 2 else [0, 0, 0]", "3 weights"),
    ],
    ids=["raises", "nan", "shape"],
)
def test_a_bad_answer_is_reported_with_path_and_day(source: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(InputError, match=rf"{words}.* on path 1, day 3"):
        run_rule(load_rule(str(tmp_path / "mine.py")), moves(), trading=FREE)


def test_rules_that_are_none_are_refused(tmp_path: Path) -> None:
    for name, text, words in (
        ("none.py", "x = 1", "to define weights"),
        ("bad.py", "1 / 0", "ZeroDivisionError"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=words):
            load_rule(str(tmp_path / name))
    for text in ("builtin:luck", "no-such-file.py"):
        with pytest.raises(InputError, match="--rule: expected"):
            load_rule(text)


def test_drawdown_recovery_and_ruin_by_hand() -> None:
    wealth = np.array([[1, 1.2, 0.9, 1.0, 1.2, 1.1], [1, 0.9, 0.6, 0.7, 0.8, 0.9], [1, 1, 1.1, 1.2, 1.3, 1.3]])
    found = StrategyPaths("x", wealth, np.zeros(3), 0)
    assert found.max_drawdown == pytest.approx([0.25, 0.4, 0.0])
    assert found.recovery_days.tolist() == [3.0, np.inf, 0.0]
    assert found.ruined(0.4).tolist() == [False, True, False]


def test_row_has_exact_intervals_and_history_inside_the_law() -> None:
    wealth = np.ones((200, 3))
    wealth[:, 1:] -= np.linspace(0.0, 0.5, 200)[:, None]
    paths, history = StrategyPaths("x", wealth, np.ones(200), 0), StrategyPaths("x", wealth[:50], np.ones(50), 0)
    row = rule_row(paths, history, 0.3, rng=0)
    count = int((wealth[:, 1] <= 0.7).sum())
    assert row["ruin"] == count / 200
    # Clopper & Pearson: under the ends, what was seen or more (or less) has probability 2.5 %.
    assert binom.sf(count - 1, 200, row["ruin_lo"]) == pytest.approx(0.025, rel=1e-6)
    assert binom.cdf(count, 200, row["ruin_hi"]) == pytest.approx(0.025, rel=1e-6)
    assert row["drawdown_q95_lo"] <= row["drawdown_q95"] <= row["drawdown_q95_hi"]
    assert row["history_percentile"] == 50 / 200
    assert row["history_ruin"] == 0.0
    assert row["verdict"] == "looks safe on history, not safe on the paths"
    assert row["recovered"] == 1 / 200
    assert row["recovery_days_q50"] is None


def test_windows_of_history_and_the_days_before() -> None:
    days = np.arange(60.0).reshape(30, 2)
    windows, before = history_windows(days, 10, 5)
    assert windows.shape == (16, 10, 2)
    assert before[3, -1].tolist() == days[7].tolist()
    assert windows[3, 0].tolist() == days[8].tolist()
    with pytest.raises(InputError, match="at least 31 complete days"):
        history_windows(days, 26, 5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2006-01-02", "2010-12-31", name="date")
    days = 0.01 * rng.standard_t(5, (len(index), 2)) + 0.005 * rng.standard_normal((len(index), 1))
    pd.DataFrame(days, index=index, columns=["AAA", "BBB"]).to_csv(path / "returns.csv")
    folder = RunFolder.create(path)
    config = replace(preset("quick"), seed=3).with_market(
        prices=str(path / "returns.csv"), kind="returns", train_end="2008-12-31", assets=()
    )
    folder.write_text("config.toml", config.to_toml())
    generator = ScenarioGenerator(copula=GaussianCopula()).fit(run_history(folder)[0])
    folder.write_arrays("models/mps", {"kind": np.array("copula"), **generator.to_arrays()})
    folder.write_json("record.json", {"seed": 3})
    return path


@pytest.mark.parametrize("kind", [GarchCopulaPaths, FilteredHistoricalPaths])
def test_paths_go_on_from_the_volatility_after_the_shock(kind: type, run: Path) -> None:
    history = run_history(RunFolder.open(run))[0]
    generator = kind().fit(history)
    first = np.repeat([[-0.08, -0.08], [0.0, 0.0]], 400, axis=0)
    drawn = paths_after(generator, first[:, None], 6, rng=1)
    assert np.array_equal(drawn.returns[:, 0], first)
    # The second day's volatility is the filter's own after that day.
    states = [generator.volatility_.filter(day, generator.volatility_.state_).state for day in (first[:1], first[-1:])]
    bounds = np.sqrt(generator.volatility_.bounds_)
    expected = [np.clip(state, *bounds) for state in states]
    spread = np.log1p(drawn.returns[:, 1]).reshape(2, 400, 2).std(axis=1)
    # Both halves have residuals of one law: the ratio of their spreads is that of the volatilities, to 5 standard
    # errors of a ratio of two standard deviations with kurtosis below 9 and 400 draws each.
    assert spread[0] / spread[1] == pytest.approx(expected[0] / expected[1], rel=5 * np.sqrt(2 * 8 / 4 / 400))


def test_paths_go_on_after_several_days_as_the_filter_would(run: Path) -> None:
    generator = GarchCopulaPaths().fit(run_history(RunFolder.open(run))[0])
    first = np.repeat([[[-0.05, -0.04], [-0.03, 0.06]]], 4_000, axis=0)
    drawn = paths_after(generator, first, 3, rng=1)
    state = generator.volatility_.filter(first[0], generator.volatility_.state_).state
    spread = np.log1p(drawn.returns[:, 2]).std(axis=0)
    # A standard deviation of residuals with kurtosis below 9, beside their own.
    own = generator.innovations(200_000, 2).std(axis=0)
    assert spread == pytest.approx(state * own, rel=5 * np.sqrt(8 / 4 / 4_000))
    assert np.array_equal(paths_after(generator, first, 2).returns, first)
    with pytest.raises(InputError, match="at least the 2 days"):
        paths_after(generator, first, 1)


@pytest.mark.parametrize(
    ("event", "share"),
    [
        ("book < -3%", lambda total: total.mean(axis=1) < -0.03),
        ("AAA < -4% and not BBB < -2%", lambda total: (total[:, 0] < -0.04) & (total[:, 1] >= -0.02)),
        ("AAA < -9% or BBB > 10%", lambda total: (total[:, 0] < -0.09) | (total[:, 1] > 0.10)),
        ("book < -8%", lambda total: total.mean(axis=1) < -0.08),
    ],
)
@pytest.mark.parametrize("kind", [GarchCopulaPaths, FilteredHistoricalPaths])
def test_runs_given_an_event_are_those_of_the_model(kind: type, event: str, share: Callable, run: Path) -> None:
    """Rejection and tilted runs alike: probability and mean run are those of plain paths that meet the event."""
    generator = kind().fit(run_history(RunFolder.open(run))[0])
    found = runs_given(generator, event, 1_000, 5, rng=1)
    assert share(np.prod(1.0 + found.returns, axis=1) - 1.0).all()
    plain = np.concatenate([generator.sample_paths(100_000, 5, rng=seed).returns for seed in (2, 3)])
    inside = plain[share(np.prod(1.0 + plain, axis=1) - 1.0)]
    chance = len(inside) / len(plain)
    assert len(inside) > 30
    error = np.hypot(found.likelihood.standard_error, np.sqrt(chance / len(plain)))
    assert found.likelihood.probability == pytest.approx(chance, abs=5 * error)
    mean, spread = inside.mean(axis=0), inside.std(axis=0)
    error = spread * np.sqrt(1.0 / len(inside) + 1.0 / min(found.effective_size, 1_000))
    assert (np.abs(found.returns.mean(axis=0) - mean) < 5 * error).all()


def test_an_event_out_of_reach_is_told(run: Path) -> None:
    generator = FilteredHistoricalPaths().fit(run_history(RunFolder.open(run))[0])
    with pytest.raises(InputError, match="known by 0 effective of 400,000 drawn runs"):
        runs_given(generator, "book > 3% and book < -3%", 100, 3, rng=1)
    with pytest.raises(InputError, match="returns of assets or the book, received intervals"):
        runs_given(generator, "q(AAA) < 1%", 100, 3, rng=1)


def test_command_with_an_event_over_days(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "rows.json")
    ask = {"event": "book < -6%", "event_days": 10, "n": 300, "ruin": "5%"}
    strategy(run, ["builtin:buy-hold"], horizon=10, json=target, **ask)
    content = json.loads(Path(target).read_text())
    assert content["event_days"] == 10
    assert content["event_ess"] >= 300
    assert 0.0 < content["event_probability_se"] < content["event_probability"] < 0.1
    assert content["rows"][0]["final_mean"] < 0.94
    assert "in the next 10 days" in capsys.readouterr().out
    with pytest.raises(InputError, match="at most the horizon of 9 days"):
        strategy(run, ["builtin:buy-hold"], horizon=9, **ask)
    with pytest.raises(InputError, match="no --event-model beside it"):
        strategy(run, ["builtin:buy-hold"], horizon=20, event_model="mps", **ask)
    with pytest.raises(InputError, match="which react to a shock"):
        strategy(run, ["builtin:buy-hold"], horizon=20, model="bootstrap", **ask)


def test_command_on_a_run_with_an_event(run: Path, tmp_path: Path) -> None:
    strategy(
        run,
        ["builtin:buy-hold", "builtin:trend"],
        event="book < -3%",
        horizon=20,
        n=300,
        ruin="5%",
        figure=tmp_path / "figure.html",
        json=str(tmp_path / "rows.json"),
    )
    content = json.loads((tmp_path / "rows.json").read_text())
    assert content["assets"] == ["AAA", "BBB"] or content["assets"] == ["BBB", "AAA"]
    assert 0.0 < content["event_probability"] < 0.1
    rows = {row["rule"]: row for row in content["rows"]}
    assert rows["buy-hold"]["drawdown_q50"] >= 0.03
    assert rows["buy-hold"]["history_windows"] > 100
    assert "drawdown" in (tmp_path / "figure.html").read_text()


def test_command_on_a_file_of_paths_and_a_file_of_a_rule(tmp_path: Path) -> None:
    returns = moves(20, 8, 2)
    ScenarioPaths(returns, ("A", "B")).save(tmp_path / "paths.csv")
    assert read_paths(tmp_path / "paths.csv").returns == pytest.approx(returns)
    (tmp_path / "half.py").write_text("def weights(prices):\n    return [0.5, 0.5]\n")
    target = tmp_path / "rows.json"
    strategy(tmp_path / "paths.csv", [str(tmp_path / "half.py")], cost=0.0, every=1, json=str(target))
    row = json.loads(target.read_text())["rows"][0]
    growth = np.cumprod(1.0 + returns.mean(axis=2), axis=1)
    wealth = np.concatenate([np.ones((20, 1)), growth], axis=1)
    depth = (1.0 - wealth / np.maximum.accumulate(wealth, axis=1)).max(axis=1)
    assert row["drawdown_mean"] == pytest.approx(depth.mean())
    assert row["history_drawdown"] is None
    with pytest.raises(InputError, match="--event"):
        strategy(tmp_path / "paths.csv", ["builtin:trend"], event="book < -5%")


def test_a_file_that_holds_no_whole_paths_is_refused(tmp_path: Path) -> None:
    ScenarioPaths(moves(3, 4, 2), ("A", "B")).save(tmp_path / "paths.csv")
    lines = (tmp_path / "paths.csv").read_text().splitlines()
    (tmp_path / "paths.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(InputError, match="of every path"):
        read_paths(tmp_path / "paths.csv")


def test_figure_marks_history_on_every_curve(tmp_path: Path) -> None:
    paths = run_rule(load_rule("builtin:buy-hold"), moves(50), trading=FREE)
    history = run_rule(load_rule("builtin:buy-hold"), moves(10, seed=5), trading=FREE)
    curve, mark = drawdown_figure([(paths, history)], ruin_level=0.2).data
    worst = history.max_drawdown.max()
    assert mark.x[0] == worst
    assert mark.y[0] == max(np.mean(paths.max_drawdown > worst), 1 / 50)
    assert curve.y[0] == 1.0
    page = write_drawdown_page([(paths, None)], tmp_path / "page.html").read_text()
    assert "qfinFigure" in page
