"""A panel of marginals: gaps, names, both ways, saving; ranks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qfin.exceptions import InputError, NotFittedError
from qfin.marginals import EmpiricalGPD, MarginalPanel, pseudo_observations


def ragged() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(0.01 * rng.standard_t(4, size=(800, 3)), columns=["AAA", "BBB", "CCC"])
    table.loc[:299, "BBB"] = np.nan  # listed late
    table.loc[rng.choice(800, 40, replace=False), "CCC"] = np.nan  # gaps
    return table


def test_each_asset_uses_all_of_its_own_days() -> None:
    table = ragged()
    panel = MarginalPanel().fit(table)
    assert panel.assets_ == ("AAA", "BBB", "CCC")
    np.testing.assert_array_equal(panel.n_observations_, [800, 500, 760])
    for j, name in enumerate(table):
        alone = EmpiricalGPD().fit(table[name].dropna().to_numpy())
        np.testing.assert_array_equal(
            panel.marginals_[j].cdf(np.linspace(-0.1, 0.1, 50)), alone.cdf(np.linspace(-0.1, 0.1, 50))
        )


def test_there_and_back_with_gaps() -> None:
    table = ragged()
    panel = MarginalPanel().fit(table)
    u = panel.to_uniform(table)
    np.testing.assert_array_equal(np.isnan(u), table.isna())
    complete = ~np.isnan(u).any(axis=1)
    np.testing.assert_allclose(panel.from_uniform(u[complete]), table[complete], atol=1e-9)
    np.testing.assert_array_equal(np.isnan(panel.logpdf(table)), table.isna())


def test_arrays_and_frames_give_the_same_numbers() -> None:
    table = ragged()
    from_frame, from_array = MarginalPanel().fit(table), MarginalPanel().fit(table.to_numpy())
    np.testing.assert_array_equal(from_frame.to_uniform(table), from_array.to_uniform(table.to_numpy()))
    assert from_array.assets_ == ("asset_0", "asset_1", "asset_2")


def test_the_prototype_is_copied_and_left_alone() -> None:
    prototype = EmpiricalGPD(tail_fraction=0.1)
    panel = MarginalPanel(prototype).fit(ragged())
    assert not hasattr(prototype, "knots_")
    assert [law.tail_fraction for law in panel.marginals_] == [0.1] * 3


def test_saved_panel_is_the_same(tmp_path) -> None:
    panel = MarginalPanel(EmpiricalGPD(0.1)).fit(ragged())
    np.savez(tmp_path / "panel.npz", **panel.to_arrays())
    with np.load(tmp_path / "panel.npz", allow_pickle=False) as arrays:
        again = MarginalPanel.from_arrays(arrays)
    assert again.assets_ == panel.assets_
    np.testing.assert_array_equal(again.n_observations_, panel.n_observations_)
    np.testing.assert_array_equal(again.to_uniform(ragged()), panel.to_uniform(ragged()))
    with pytest.raises(InputError, match="Unheard"):
        MarginalPanel.from_arrays({**panel.to_arrays(), "marginal": np.array("Unheard")})


def test_wrong_tables_are_refused() -> None:
    table = ragged()
    panel = MarginalPanel().fit(table)
    with pytest.raises(InputError, match="expected AAA as column 0, received BBB"):
        panel.to_uniform(table[["BBB", "AAA", "CCC"]])
    with pytest.raises(InputError, match="expected 3 columns, received 2"):
        panel.to_uniform(table.to_numpy()[:, :2])
    with pytest.raises(InputError, match=r"column BBB: .*received 0"):
        MarginalPanel().fit(table.assign(BBB=np.nan))
    with pytest.raises(InputError, match="infinity in CCC, row 5"):
        MarginalPanel().fit(table.assign(CCC=np.where(np.arange(800) == 5, np.inf, 0.01)))
    with pytest.raises(InputError, match="expected numbers"):
        MarginalPanel().fit(table.assign(CCC="n/a"))
    with pytest.raises(InputError, match="table"):
        MarginalPanel().fit(table["AAA"])
    with pytest.raises(InputError, match="strictly between 0 and 1"):
        panel.from_uniform(np.ones((2, 3)))
    with pytest.raises(NotFittedError):
        MarginalPanel().to_uniform(table)


def test_pseudo_observations_are_average_ranks_of_the_days_present() -> None:
    x = np.array([[0.3, np.nan], [0.1, 2.0], [0.3, 1.0], [0.2, np.nan]])
    np.testing.assert_allclose(
        pseudo_observations(x), [[3.5 / 5, np.nan], [1 / 5, 2 / 3], [3.5 / 5, 1 / 3], [2 / 5, np.nan]]
    )
    column = np.random.default_rng(1).normal(size=200)
    np.testing.assert_allclose(pseudo_observations(column[:, None])[:, 0], stats.rankdata(column) / 201)
    with pytest.raises(InputError, match="matrix"):
        pseudo_observations(column)
