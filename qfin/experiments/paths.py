"""Sources of paths by name: a run's models, day by day, and those that know of time, fitted to its training days."""

from collections.abc import Callable

import pandas as pd

from qfin.copulas import ChainCopula, VineCopula
from qfin.exceptions import InputError
from qfin.experiments.history import run_history
from qfin.experiments.run_folder import RunFolder
from qfin.experiments.runner import load_generator
from qfin.scenarios import (
    BlockBootstrapPaths,
    FilteredHistoricalPaths,
    GarchCopulaPaths,
    IndependentPaths,
    PathGenerator,
)

# Names of generators that are fitted to returns; any other name is a model of a run, drawn day by day. The copula under
# a filter is one of residuals: of the kind of a run's, but fitted anew, for a run's own is of returns.
PATH_MODELS: dict[str, Callable[[], PathGenerator]] = {
    "garch": GarchCopulaPaths,
    "garch_vine": lambda: GarchCopulaPaths(copula=VineCopula("student")),
    "garch_mps": lambda: GarchCopulaPaths(copula=ChainCopula()),
    "garch_circuit": lambda: GarchCopulaPaths(copula=ChainCopula(circuit=True)),
    "fhs": FilteredHistoricalPaths,
    "bootstrap": BlockBootstrapPaths,
    "independent": IndependentPaths,
}


def path_generator(folder: RunFolder, name: str) -> PathGenerator:
    """A fitted generator of paths of a run, or of a run's model `name` with independent days."""
    if name in PATH_MODELS:
        return PATH_MODELS[name]().fit(run_history(folder)[0])
    return IndependentPaths.from_generator(load_generator(folder, name))


def fitted_path_generator(name: str, returns: pd.DataFrame) -> PathGenerator:
    """A generator of paths fitted to returns."""
    if name not in PATH_MODELS:
        raise InputError(f"model: expected one of {', '.join(PATH_MODELS)} for prices, received {name!r}")
    return PATH_MODELS[name]().fit(returns)
