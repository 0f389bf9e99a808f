"""OR-Library files: what is read, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from qfin.exceptions import InputError
from qfin.market.bundled import data_file
from qfin.portfolio import PortfolioProblem, read_frontier, read_instance, read_reference_optima, read_tracking_prices

GOOD = "2\n.01 .1\n.02 .2\n1 1 1\n1 2 .5\n2 2 1\n"


def test_reads_every_market() -> None:
    for name, n_assets in (("port1", 31), ("port2", 85), ("port3", 89), ("port4", 98), ("port5", 225)):
        instance = read_instance(data_file(f"orlib/{name}.txt"))
        assert instance.covariance.shape == (n_assets, n_assets)
        assert np.linalg.eigvalsh(instance.covariance)[0] > 0.0
    means, variances = read_frontier(data_file("orlib/portef1.txt"))
    assert (means[0], means[-1]) == (0.0027843363, 0.010865)
    assert (np.diff(variances) > 0.0).all()


def test_small_file(tmp_path: Path) -> None:
    path = tmp_path / "port.txt"
    path.write_text(GOOD)
    instance = read_instance(path)
    np.testing.assert_allclose(instance.mean, [0.01, 0.02])
    np.testing.assert_allclose(instance.covariance, [[0.01, 0.01], [0.01, 0.04]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "number of assets first"),
        ("2\n.01 .1\n", "expected 14 numbers for 2 assets, received 3"),
        (GOOD.replace("1 2 .5", "1 1 .5"), "every pair of assets once, received none for 1 and 2"),
        (GOOD.replace("1 2 .5", "1 3 .5"), "pairs of assets from 1 to 2"),
        (GOOD.replace("1 2 .5", "1 2 1.5"), "correlations from -1 to 1"),
        (GOOD.replace(".5", "nan"), "finite numbers, received nan"),
        (GOOD.replace(".5", "half"), "numbers only"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "port.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_instance(path)
    assert str(path) in str(error.value)


def test_missing_file_and_odd_frontier(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="readable text file"):
        read_instance(tmp_path / "none.txt")
    path = tmp_path / "portef.txt"
    path.write_text("1 2 3")
    with pytest.raises(InputError, match="lines of a mean and a variance, received 3"):
        read_frontier(path)


def test_tracking_prices_become_a_problem() -> None:
    prices = read_tracking_prices(data_file("orlib/indtrack1.csv.gz"))
    assert prices.shape == (291, 32)
    returns = prices.drop(columns="INDEX").pct_change().iloc[1:]
    problem = PortfolioProblem.from_returns(returns, cardinality=(5, 5))
    assert problem.assets[:2] == ("S0001", "S0002")
    weekly = problem.solve(np.arange(31)[None, :] < 5)
    book = returns.to_numpy() @ weekly.weights[0]
    assert weekly.values[0] == pytest.approx(book.var(ddof=1), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,INDEX,S1\n0,1,1\n1,1,1\n", "expected columns week, INDEX and stocks"),
        ("week,INDEX,S1\n0,1,1\n1,1,0\n", "expected prices above 0, received 0.0 for S1"),
        ("week,INDEX,S1\n0,1,1\n1,1,\n", "expected finite numbers, received nan at row 1"),
    ],
)
def test_damaged_price_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "indtrack.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_tracking_prices(path)


def test_damaged_reference_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ccef.csv"
    path.write_text("instance,lambda\nport1,0.5\n")
    with pytest.raises(InputError, match="columns of a ccef table"):
        read_reference_optima(path)
    with pytest.raises(InputError, match="rows of port9, received none"):
        read_reference_optima(data_file("orlib/ccef_lambda_K10.csv"), "port9")
