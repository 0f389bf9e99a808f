"""A small run folder as an experiment leaves it, made from seeded synthetic returns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from qfin.experiments.figures import TAIL_LEVELS, tail_dependence_by_level
from qfin.experiments.run_folder import RunFolder
from qfin.risk import expected_shortfall, value_at_risk

RISK = {
    f"{name}_{tag}": (name, level)
    for tag, level in (("95", 0.95), ("975", 0.975), ("99", 0.99))
    for name in ("var", "es")
}
# correlation and degrees of freedom that stand for each model; the test window has 0.55 and 4
MODELS = {
    "historical": (0.45, 4.0),
    "gaussian": (0.5, 60.0),
    "student_t": (0.5, 7.0),
    "mps": (0.53, 4.5),
    "circuit": (0.53, 5.0),
}
KINDS = {"mps": "quantum-inspired", "circuit": "quantum circuit"}
HEAD = (
    "student_t",
    "mps (exact marginal)",
    "mps (leading Schmidt vector)",
    "mps (equal parameters)",
    "circuit (mapped)",
    "circuit (trained)",
    "circuit (after shots)",
)


def student_copula_density(u1: np.ndarray, u2: np.ndarray, correlation: float, freedom: float) -> np.ndarray:
    x, y = np.broadcast_arrays(stats.t.ppf(u1, freedom), stats.t.ppf(u2, freedom))
    joint = stats.multivariate_t.pdf(np.stack([x, y], axis=-1), shape=[[1, correlation], [correlation, 1]], df=freedom)
    return joint / stats.t.pdf(x, freedom) / stats.t.pdf(y, freedom)


def draw_returns(
    rng: np.random.Generator, n_days: int, n_assets: int, correlation: float, freedom: float
) -> np.ndarray:
    shape = np.full((n_assets, n_assets), correlation) + (1 - correlation) * np.eye(n_assets)
    draws = stats.multivariate_t.rvs(shape=shape, df=freedom, size=n_days, random_state=rng)
    return np.asarray(np.expm1(0.011 * draws))


def risk_of(losses: np.ndarray) -> dict[str, float]:
    measures = {"var": value_at_risk, "es": expected_shortfall}
    return {column: measures[name](losses, level) for column, (name, level) in RISK.items()}


def example_arrays(
    assets: list[str], *, n_train: int, n_test: int, n_scenarios: int, n_grid: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Archives of arrays by name."""
    rng = np.random.default_rng(seed)
    test = draw_returns(rng, n_test, len(assets), 0.55, 4.0)
    train = draw_returns(rng, n_train, len(assets), 0.5, 5.0)
    draws = {name: draw_returns(rng, n_scenarios, len(assets), *law) for name, law in MODELS.items()}
    dates = np.datetime64("2011-01-03") + np.arange(n_test)
    ranks = {name: (stats.rankdata(r, axis=0) / (len(r) + 1))[:, :2] for name, r in (("train", train), ("test", test))}
    grid = stats.norm.cdf(np.linspace(-3.0, 3.0, n_grid))
    checks = np.arange(0, 601, 25)
    saturating = 1 - np.exp(-checks / 120)
    training = {}
    for stage, size in (("mps", 0.25), ("circuit", 0.012)):
        noise = 0.02 * size * rng.standard_normal((2, len(checks)))
        training[f"{stage}_steps"] = checks
        training[f"{stage}_train"] = size * 1.3 * saturating + noise[0]
        training[f"{stage}_validation"] = size * (saturating - (checks / 900) ** 2 / 2) + noise[1]
    log_density = {}
    for name in ("gaussian", "student_t", "mps", "circuit"):
        log_density[name] = np.log(student_copula_density(*ranks["test"].T, *MODELS[name]))
    return {
        "training": {**training, "shot_steps": np.arange(40), "shot_mmd": 0.004 + 0.01 * np.exp(-np.arange(40) / 9)},
        "book": {
            **{f"losses_{name}": -returns.mean(axis=1) for name, returns in draws.items()},
            "losses_test": -test.mean(axis=1),
            "losses_train": -train.mean(axis=1),
            "dates_test": dates,
        },
        "pair": {
            "assets": np.array(assets[:2]),
            "u_train": ranks["train"],
            "u_test": ranks["test"],
            "grid": grid,
            **{
                f"density_{name}": student_copula_density(grid[:, None], grid[None, :], *MODELS[name])
                for name in ("student_t", "mps", "circuit")
            },
        },
        "tail": {
            "assets": np.array(assets[:2]),
            "returns_test": test[:, :2],
            "returns_train": train[:, :2],
            **{f"draws_{name}": draws[name][:5000, :2] for name in ("student_t", "mps", "circuit")},
            "levels": TAIL_LEVELS,
            "dependence_test": tail_dependence_by_level(test),
            **{f"dependence_{name}": tail_dependence_by_level(draws[name]) for name in MODELS},
        },
        "days": {"dates": dates, **{f"loglik_{name}": values for name, values in log_density.items()}},
    }


def example_record(assets: list[str], arrays: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    """The record that belongs to the arrays."""
    n_test, n_head = len(arrays["days"]["dates"]), min(5, len(assets))
    rows = []
    for place, name in enumerate(MODELS):
        days = arrays["days"].get(f"loglik_{name}")
        gain = None if days is None else days - arrays["days"]["loglik_student_t"]
        spread = None if gain is None else 1.96 * float(gain.std()) / np.sqrt(n_test)
        rows.append(
            {
                "model": name,
                "kind": KINDS.get(name, "classical"),
                "loglik": None if days is None else float(days.mean()),
                "loglik_se": None if days is None else float(days.std() / np.sqrt(n_test)),
                "diff": None if gain is None else float(gain.mean()),
                "diff_lo": None if gain is None else float(gain.mean() - spread),
                "diff_hi": None if gain is None else float(gain.mean() + spread),
                **risk_of(arrays["book"][f"losses_{name}"]),
                "tail_dep_err": 0.0411 - 0.0052 * place,
                "kendall_err": 0.0312 - 0.0031 * place,
                "margin_dev": None if name == "historical" else 0.0021 + 0.0013 * place,
                "n_params": None if name == "historical" else 190 * place + 1,
                "fit_s": 0.4 * 4**place,
            }
        )
    head_rows = [
        {
            "model": name,
            "n_params": 11 + 90 * place,
            "loglik": 0.6201 + 0.0021 * place,
            "loglik_se": 0.0312,
            "diff": 0.0021 * place,
            "diff_lo": 0.0021 * place - 0.0049,
            "diff_hi": 0.0021 * place + 0.0053,
        }
        for place, name in enumerate(HEAD)
    ]
    entropies = [0.02 + 0.011 * abs(np.sin(1.7 * i)) for i in range(len(assets) - 1)]
    return {
        "title": f"us{len(assets)}: {len(assets)} assets, 1990–2010 / 2011–2022",
        "seed": 7,
        "version": "0.1.0",
        "commit": "abc1234",
        "packages": {"numpy": "2.4.6", "qiskit": "2.2.3", "quimb": "1.15.0"},
        "python": "3.11.7",
        "platform": "Linux-x86_64",
        "config": {"market": {"prices": "us20", "train_end": "2010-12-31"}, "mps": {"n_functions": 8, "max_bond": 4}},
        "market": {
            "source": "us20, daily closing prices",
            "kind": "prices",
            "assets": assets,
            "n_train": len(arrays["pair"]["u_train"]),
            "n_test": n_test,
            "train": ["1990-01-03", "2010-12-31"],
            "test": ["2011-01-03", "2022-12-28"],
            "left_out": [{"asset": "XYZ", "reason": "41% of the training days have no price"}],
            "n_incomplete_train": 3,
            "n_incomplete_test": 0,
            "changes": [
                {"date": "2001-09-12", "asset": assets[0], "what": "price removed", "before": "41.25", "after": None}
            ],
            "warnings": [
                {"date": "1999-03-04", "asset": assets[1], "what": "return of 31% in one day kept"},
                {"date": "2008-10-13", "asset": assets[0], "what": "return of 25% in one day kept"},
            ],
        },
        "base": {"name": "student_t", "n_params": 191, "degrees_of_freedom": 8.06},
        "mps": {
            "n_functions": 8,
            "max_bond": 4,
            "n_params": 2176,
            "stopped_at": 300,
            "best_validation": 0.2281,
            "entropies": entropies,
        },
        "mapping": {
            "assets": assets[:n_head],
            "n_qubits": 3 * n_head,
            "n_layers": 4,
            "two_qubit_gates": 56,
            "schmidt_weight": 0.9871,
            "fidelity": 0.99312,
            "fidelity_by_layer": [0.871, 0.962, 0.985, 0.99312],
            "loglik_lost": 0.00173,
            "full": {
                "n_qubits": 3 * len(assets),
                "n_layers": 3,
                "two_qubit_gates": 177,
                "fidelity": 0.9417,
                "truncation": 0.00021,
            },
        },
        "circuit": {
            "n_params": 900,
            "distant_pairs": [[assets[0], assets[n_head - 1]]],
            "stopped_at": 225,
            "best_validation": 0.0112,
            "shot_training": {
                "steps": 40,
                "kept_at": 30,
                "shots": 327680,
                "executions": 80,
                "mmd_start": 0.01412,
                "mmd_end": -0.00411,
            },
        },
        "samplers": [
            {
                "sampler": "state vector, shots",
                "n_qubits": 15,
                "shots": 20000,
                "max_z": 2.61,
                "total_variation": 0.0071,
            },
            {"sampler": "Aer, state vector", "n_qubits": 15, "shots": 20000, "max_z": 2.37, "total_variation": 0.0068},
            {"sampler": "Aer, noisy", "n_qubits": 15, "shots": 20000, "max_z": 48.2, "total_variation": 0.1133},
            {
                "sampler": "Aer, matrix product state",
                "n_qubits": 60,
                "shots": 4000,
                "max_z": 3.01,
                "total_variation": 0.0149,
            },
        ],
        "rows": rows,
        "realised": risk_of(arrays["book"]["losses_test"]),
        "head_rows": head_rows,
        "verdict": [
            "The MPS Born machine is ahead of its base on days it has not seen.",
            "The circuit does not pass the MPS of equal parameters.",
        ],
        "timings": {
            "created": "2025-01-02T03:04:05+00:00",
            "stages": {"marginals": 1.21, "mps": 41.7, "circuit": 133.0},
            "total_s": 176.2,
        },
    }


Maker = Callable[..., RunFolder]


def write_run(
    path: Path,
    assets: list[str],
    change: Callable[[dict[str, Any]], object] | None = None,
    archives: tuple[str, ...] | None = None,
    **sizes: int,
) -> RunFolder:
    """A run folder at `path`; `change` edits the record, `archives` limits the arrays that are stored."""
    arrays = example_arrays(
        assets, **({"n_train": 300, "n_test": 200, "n_scenarios": 1200, "n_grid": 21, "seed": 3} | sizes)
    )
    record = example_record(assets, arrays)
    if change is not None:
        change(record)
    folder = RunFolder.create(path)
    folder.write_json("record.json", record)
    for name in arrays if archives is None else archives:
        folder.write_arrays(f"arrays/{name}", arrays[name])
    return RunFolder.open(path)


@pytest.fixture
def make_run(tmp_path: Path) -> Maker:
    """`make_run(assets=…, change=…, archives=…)`: a fresh small run folder."""

    def make(assets: list[str] | None = None, **options: Any) -> RunFolder:
        return write_run(tmp_path / "run", assets or ["JPM", "XOM", "AAPL", "KO", "JNJ", "PG"], **options)

    return make
