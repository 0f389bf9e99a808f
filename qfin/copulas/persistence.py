"""Copulas and Born machines to and from named arrays, for files that hold no pickle."""

from importlib import import_module
from typing import Any

import numpy as np

from qfin._types import AnyArray
from qfin.exceptions import InputError

# Class name -> the package that exports it; only what is named here is ever loaded from a file.
_PACKAGES = {
    "BornCopula": "qfin.copulas",
    "BornEnsemble": "qfin.born",
    "CircuitBornMachine": "qfin.born",
    "CircuitHeadMachine": "qfin.born",
    "GaussianCopula": "qfin.copulas",
    "IndependenceCopula": "qfin.copulas",
    "MPSBornMachine": "qfin.born",
    "RegimeCopula": "qfin.copulas",
    "StackedCopula": "qfin.copulas",
    "StudentTCopula": "qfin.copulas",
    "TriangularTCopula": "qfin.copulas",
    "UniformMarginsBase": "qfin.copulas",
    "VineCopula": "qfin.copulas",
}


def copula_to_arrays(model: Any) -> dict[str, AnyArray]:
    """The arrays of a fitted copula or Born machine, with its class name under `class`."""
    return {"class": np.array(type(model).__name__), **model.to_arrays()}


def copula_from_arrays(arrays: dict[str, AnyArray]) -> Any:
    """The model that `copula_to_arrays` took apart."""
    name = str(arrays["class"])
    if name not in _PACKAGES:
        raise InputError(f"model file: expected a class among {', '.join(_PACKAGES)}, received {name!r}")
    return getattr(import_module(_PACKAGES[name]), name).from_arrays(
        {key: value for key, value in arrays.items() if key != "class"}
    )


def nested_arrays(**parts: Any) -> dict[str, AnyArray]:
    """The arrays of several models in one dict, each key led by its part's name."""
    return {f"{part}/{key}": value for part, model in parts.items() for key, value in copula_to_arrays(model).items()}


def nested_parts(arrays: dict[str, AnyArray]) -> dict[str, Any]:
    """The models that `nested_arrays` put together."""
    groups: dict[str, dict[str, AnyArray]] = {}
    for key, value in arrays.items():
        part, rest = key.split("/", 1)
        groups.setdefault(part, {})[rest] = value
    return {part: copula_from_arrays(group) for part, group in groups.items()}
