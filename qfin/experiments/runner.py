"""One experiment from prices to a run folder: the main job."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import qfin
from qfin.born import CircuitHeadMachine
from qfin.copulas import BornCopula
from qfin.experiments.checkpoints import Progress, Silent, Stages, fingerprint_of
from qfin.experiments.circuits import Circuits, build_circuits
from qfin.experiments.comparison import daily_log_likelihoods, head_rows, model_rows
from qfin.experiments.config import RunConfig
from qfin.experiments.draws import book_risk, draw_scenarios
from qfin.experiments.figures import day_arrays, pair_density_arrays, tail_arrays
from qfin.experiments.models import Models, fit_models, latent_of
from qfin.experiments.panel import Panel, load_market
from qfin.experiments.run_folder import RunFolder
from qfin.experiments.unusual import unusual_days
from qfin.experiments.verdict import verdict
from qfin.scenarios import HistoricalGenerator, ScenarioGenerator

_PACKAGES = [
    "numpy",
    "scipy",
    "pandas",
    "jax",
    "quimb",
    "qiskit",
    "qiskit-aer",
    "pyvinecopulib",
    "scikit-learn",
    "skfolio",
]


def run_experiment(
    config: RunConfig, out: str | Path, *, resume: bool = False, progress: Progress | None = None
) -> RunFolder:
    """Do the whole job and leave everything in the folder `out`; `resume` goes on with what it already holds."""
    panel = load_market(config.market)
    folder = RunFolder.create(out)
    data = panel.train_returns.to_numpy(), panel.test.to_numpy()
    stages = Stages(folder, fingerprint_of(qfin.__version__, config.to_toml(), *data), progress or Silent())
    stages.open(resume=resume)
    folder.write_text("config.toml", config.to_toml())
    models = fit_models(config, panel, stages)
    circuits = build_circuits(
        config, models.mps, latent_of(models, panel.u_train), panel.assets, models.held_out, stages
    )
    copulas = models.copulas | {
        "circuit": BornCopula.from_parts(
            models.base, CircuitHeadMachine(circuits.trained, models.mps, config.quantum.n_extra)
        )
    }
    draws, draw_arrays = stages.run(
        "scenarios",
        f"Scenarios: {config.scenarios.n_samples:,} days from each model",
        lambda: draw_scenarios(config, panel, models, copulas, stages.progress),
    )
    generator = ScenarioGenerator.from_parts(models.marginals, copulas["mps"])
    unusual, _ = stages.run(
        "unusual", "Unusual days of the test window", lambda: (unusual_days(generator, panel, config.seed), {})
    )
    _write_models(folder, panel, models, copulas, circuits)
    _write_record(config, folder, panel, models, circuits, copulas, draws, draw_arrays, unusual, stages)
    return folder


def _write_record(
    config: RunConfig,
    folder: RunFolder,
    panel: Panel,
    models: Models,
    circuits: Circuits,
    copulas: dict[str, Any],
    draws: dict[str, Any],
    draw_arrays: dict[str, Any],
    unusual: dict[str, Any],
    stages: Stages,
) -> None:
    stages.progress.start("evaluation", "Evaluation: unseen days, intervals, verdict")
    daily = daily_log_likelihoods(copulas, panel.u_test)
    y_test = latent_of(models, panel.u_test)
    seconds = models.fit_seconds | {"circuit": models.fit_seconds["mps"] + circuits.circuit_facts.pop("fit_s")}
    rows = model_rows(daily, copulas, draws, models.base_name, seconds, config.seed)
    heads, head_daily = head_rows(models, circuits, y_test, panel.u_test, config.seed)
    test_losses = -panel.test.to_numpy().mean(axis=1)
    realised = book_risk(test_losses)
    by_name = {row["model"]: row for row in heads}
    mapping = circuits.mapping_facts | {
        "loglik_lost": by_name["mps (leading Schmidt vector)"]["loglik"] - by_name["circuit (mapped)"]["loglik"]
    }
    folder.write_arrays("arrays/training", {f"mps_{k}": v for k, v in models.mps_curves.items()} | circuits.curves)
    folder.write_arrays("arrays/book", _book_arrays(panel, draw_arrays, test_losses))
    if models.base_name != "vine":  # a vine's Rosenblatt transform does not run along the assets' own order
        folder.write_arrays("arrays/pair", pair_density_arrays(panel, models, circuits.trained))
    folder.write_arrays("arrays/tail", tail_arrays(panel, draw_arrays))
    folder.write_arrays("arrays/days", day_arrays(panel, daily))
    market = panel.facts
    record = {
        "title": f"{Path(config.market.prices).name}: {len(panel.assets)} assets, trained to {market['train'][1]}",
        "seed": config.seed,
        "version": qfin.__version__,
        "commit": _commit(),
        "packages": {name: _version_of(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "config": config.to_dict(),
        "market": market,
        "base": models.base_facts,
        "mps": models.mps_facts,
        "mapping": mapping,
        "circuit": circuits.circuit_facts,
        "samplers": circuits.sampler_rows,
        "rows": rows,
        "unusual": unusual,
        "realised": realised,
        "head_rows": heads,
        "verdict": verdict(rows, daily, head_daily, realised, circuits.circuit_facts, config.seed),
    }
    stages.progress.finish("evaluation", 0.0, False)
    timings = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "stages": stages.seconds,
        "total_s": sum(stages.seconds.values()),
    }
    folder.write_json("record.json", record | {"timings": timings})


def _book_arrays(panel: Panel, draws: dict[str, Any], test_losses: Any) -> dict[str, Any]:
    losses = {name: values for name, values in draws.items() if name.startswith("losses_")}
    return losses | {
        "losses_test": test_losses,
        "losses_train": -panel.train.to_numpy().mean(axis=1),
        "dates_test": panel.test.index.to_numpy().astype("datetime64[D]"),
    }


def _write_models(folder: RunFolder, panel: Panel, models: Models, copulas: dict[str, Any], circuits: Circuits) -> None:
    """Every model as a scenario generator of its own, and the circuit for other tools."""
    from qfin.quantum.circuits import export_qasm3, export_qpy

    for name, copula in copulas.items():
        generator = ScenarioGenerator.from_parts(models.marginals, copula)
        folder.write_arrays(f"models/{name}", {"kind": np.array("copula"), **generator.to_arrays()})
    historical = HistoricalGenerator().fit(panel.train)
    folder.write_arrays("models/historical", {"kind": np.array("historical"), **historical.to_arrays()})
    circuit = circuits.trained.circuit(measure=False)
    export_qpy(circuit, folder.path / "circuit.qpy")
    folder.write_text("circuit.qasm", export_qasm3(circuit))


def load_generator(folder: RunFolder, name: str) -> Any:
    """A model of a run as a generator with `sample_set(n, rng=)`."""
    arrays = folder.arrays(f"models/{name}")
    kind = str(arrays.pop("kind"))
    return (HistoricalGenerator if kind == "historical" else ScenarioGenerator).from_arrays(arrays)


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of a source checkout, None for an installed package."""
    root = Path(qfin.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None
