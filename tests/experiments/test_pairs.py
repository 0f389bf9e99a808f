"""The density of any pair by a kernel in normal scores, against what it must be in expectation."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from qfin.exceptions import InputError
from qfin.experiments import RunFolder
from qfin.experiments.pairs import _COARSE, _scores, bandwidth, kernel_density, pair_view


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.4])
def test_the_kernel_density_of_a_gaussian_copula_is_that_of_the_widened_one(correlation: float) -> None:
    """A kernel of width h leaves a Gaussian pair Gaussian, with correlation ρ/(1 + h²); five standard errors."""
    n = 20_000
    law = multivariate_normal(cov=[[1.0, correlation], [correlation, 1.0]])
    density = kernel_density(ndtr(law.rvs(n, random_state=4)))
    scores, width = _scores()[_COARSE], bandwidth(n)
    inner = np.abs(scores) <= 1.5
    points = np.stack(np.meshgrid(scores[inner], scores[inner], indexing="ij"), axis=-1)
    wide = 1.0 + width**2
    joint = multivariate_normal(cov=[[wide, correlation], [correlation, wide]]).pdf(points)
    margins = multivariate_normal(cov=[[wide, 0.0], [0.0, wide]]).pdf(points)
    error = np.sqrt(joint / (4.0 * np.pi * width**2 * n)) / margins  # of a kernel estimate, n h² large
    off = np.abs(density[np.ix_(inner, inner)] - joint / margins) / error
    assert off.max() < 5.0


def test_pairs_are_two_different_assets_of_the_run(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path)
    folder.write_json("record.json", {"market": {"assets": ["AAA", "BBB"]}})
    with pytest.raises(InputError, match="different"):
        pair_view(folder, "AAA", "AAA")
    with pytest.raises(InputError, match="'CCC'"):
        pair_view(folder, "AAA", "CCC")
