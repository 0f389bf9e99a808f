"""The classical stages: marginals, rival copulas and the matrix product state on the base."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from qfin._random import integer_seed, stream
from qfin._types import BoolArray, FloatArray
from qfin.born import MPSBornMachine
from qfin.copulas import (
    BornCopula,
    GaussianCopula,
    IndependenceCopula,
    RegimeCopula,
    StudentTCopula,
    VineCopula,
    copula_from_arrays,
    copula_to_arrays,
)
from qfin.experiments.checkpoints import Arrays, Progress, Stages, watched, with_prefix, without_prefix
from qfin.experiments.config import RunConfig
from qfin.experiments.panel import Panel
from qfin.marginals import EmpiricalGPD, MarginalPanel

_BASES: dict[str, Any] = {
    "independence": IndependenceCopula,
    "gaussian": GaussianCopula,
    "student_t": StudentTCopula,
    "drifting_t": lambda: RegimeCopula(StudentTCopula()),
    "vine": VineCopula,
}


@dataclass(frozen=True)
class Models:
    """Fitted models of a run by name, the base's name, and what the record says of them."""

    marginals: MarginalPanel
    copulas: dict[str, Any]
    base_name: str
    fit_seconds: dict[str, float]
    base_facts: dict[str, Any]
    mps_facts: dict[str, Any]
    mps_curves: dict[str, FloatArray]
    held_out: BoolArray

    @property
    def base(self) -> Any:
        return self.copulas[self.base_name]

    @property
    def mps(self) -> MPSBornMachine:
        machine: MPSBornMachine = self.copulas["mps"].machine_
        return machine


def fit_models(config: RunConfig, panel: Panel, stages: Stages) -> Models:
    """Fit, or restore, everything that no circuit is needed for."""
    _, marginal_arrays = stages.run(
        "marginals", "Marginals: empirical body, Pareto tails", lambda: ({}, _fit_marginals(config, panel))
    )
    copula_facts, copula_arrays = stages.run(
        "copulas", "Classical copulas", lambda: _fit_copulas(config, panel, stages.progress)
    )
    base_name = config.copula.base
    copulas = {name: copula_from_arrays(without_prefix(name, copula_arrays)) for name in copula_facts["fit_s"]}
    mps_facts, mps_arrays = stages.run(
        "born",
        "Born machine: matrix product state",
        lambda: _fit_mps(config, panel, copulas[base_name], stages.progress),
    )
    machine = MPSBornMachine.from_arrays(without_prefix("machine", mps_arrays))
    copulas["mps"] = BornCopula.from_parts(copulas[base_name], machine)
    fit_seconds = copula_facts["fit_s"] | {"mps": copula_facts["fit_s"][base_name] + mps_facts.pop("fit_s")}
    return Models(
        marginals=MarginalPanel.from_arrays(marginal_arrays),
        copulas=copulas,
        base_name=base_name,
        fit_seconds=fit_seconds,
        base_facts=copula_facts["base"],
        mps_facts=mps_facts,
        mps_curves=without_prefix("curves", mps_arrays),
        held_out=mps_arrays["held_out"],
    )


def _fit_marginals(config: RunConfig, panel: Panel) -> Arrays:
    marginal = EmpiricalGPD(tail_fraction=config.marginals.tail_fraction)
    return MarginalPanel(marginal).fit(panel.train_returns).to_arrays()


def _fit_copulas(config: RunConfig, panel: Panel, progress: Progress) -> tuple[dict[str, Any], Arrays]:
    """The Gaussian and the Student t as rivals, and the base if it is neither."""
    names = list(dict.fromkeys(["gaussian", "student_t", config.copula.base]))
    seconds: dict[str, float] = {}
    arrays: Arrays = {}
    copulas: dict[str, Any] = {}
    for done, name in enumerate(names):
        progress.update(done, len(names))
        started = time.perf_counter()
        copulas[name] = _BASES[name]().fit(panel.u_train)
        seconds[name] = time.perf_counter() - started
        arrays |= with_prefix(name, copula_to_arrays(copulas[name]))
    base = copulas[config.copula.base]
    facts = {
        "name": config.copula.base,
        "n_params": base.n_params_,
        "degrees_of_freedom": getattr(base, "degrees_of_freedom_", None),
    }
    return {"fit_s": seconds, "base": facts}, arrays


def _fit_mps(config: RunConfig, panel: Panel, base: Any, progress: Progress) -> tuple[dict[str, Any], Arrays]:
    born = config.born
    machine = MPSBornMachine(
        born.n_functions,
        born.max_bond,
        penalty=born.penalty,
        max_steps=born.max_steps,
        seed=integer_seed(stream(config.seed, "born", "mps")),
    )
    started = time.perf_counter()
    machine.fit(BornCopula.from_parts(base, machine).latent(panel.u_train), on_step=watched(progress, "mps"))
    seconds = time.perf_counter() - started
    record = machine.record_
    facts = {
        "n_functions": born.n_functions,
        "max_bond": born.max_bond,
        "n_params": machine.n_params_,
        "stopped_at": record.stopped_at,
        "best_validation": record.best_validation,
        "entropies": [float(value) for value in machine.entanglement_entropies()],
        "fit_s": seconds,
    }
    curves = {"steps": record.steps, "train": record.train, "validation": record.validation}
    arrays = with_prefix("machine", machine.to_arrays()) | with_prefix("curves", curves)
    return facts, arrays | {"held_out": machine.held_out_}


def latent_of(models: Models, u: FloatArray) -> FloatArray:
    """Latent normals of observations under the base, shape (n, d)."""
    return np.asarray(models.copulas["mps"].latent(u))
