"""The conditioning bench: qfin agrees with its own model, skfolio's independent draws do not."""

import warnings

from qfin.bench.conditioning import bench_conditioning


def test_joint_box_against_rejection() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peer
        result = bench_conditioning(n_days=1_500, n_draws=10_000, n_oracle=60_000, seed=1)
    rows = {(row["tool"], row["draws"]): row for row in result["rows"]}
    mine, peer = rows["qfin", "conditional"], rows["skfolio", "conditional"]
    assert all(value < 5.0 for value in mine["deviation"].values())
    assert mine["spearman"] > 0.2
    assert abs(peer["spearman"]) < 5 * peer["spearman_se"]
    assert peer["deviation"]["spearman"] > 5.0
    assert abs(rows["truth", "the true law"]["probability"] - mine["probability"]) < 0.01
