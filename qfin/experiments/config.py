"""Configs: TOML or presets -> frozen values; every unknown key and wrong value is named."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from qfin.exceptions import InputError


@dataclass(frozen=True)
class MarketConfig:
    """Which prices, and the day on which training ends.

    `prices` is a bundled set or a file; `kind` prices, levels or returns (None: the set's own, prices for a file);
    `train_end` an ISO date (None: the day after which 30 % of the days remain); `assets` empty for all;
    `train_start` and `test_end` cut the days at both ends (None: not).
    """

    prices: str = "us20"
    kind: str | None = None
    train_end: str | None = None
    assets: tuple[str, ...] = ()
    train_start: str | None = None
    test_end: str | None = None


@dataclass(frozen=True)
class MarginalsConfig:
    """Share of the days in each generalised-Pareto tail."""

    tail_fraction: float = 0.05


@dataclass(frozen=True)
class CopulaConfig:
    """The base that the Born machine corrects: independence, gaussian, student_t, drifting_t or vine.

    `drifting_t` is a Student t whose dependence drifts, see `qfin.copulas.RegimeCopula`.
    """

    base: str = "student_t"


@dataclass(frozen=True)
class BornConfig:
    """The matrix product state over all registers; see `MPSBornMachine`."""

    n_functions: int = 8
    max_bond: int = 4
    penalty: float = 0.02
    max_steps: int = 3000


@dataclass(frozen=True)
class CircuitConfig:
    """The circuit on the first registers; `full_assets` bounds the full-width circuit that is only sampled."""

    n_assets: int = 5
    n_layers: int = 4
    n_distant: int = 4
    max_steps: int = 400
    full_assets: int = 20
    full_layers: int = 3


@dataclass(frozen=True)
class QuantumConfig:
    """Qiskit runs: shots of the checks, gate errors of the noise model, training from shots."""

    shots: int = 20_000
    noisy_shots: int = 2_000
    error_1q: float = 1e-4
    error_2q: float = 3e-3
    error_readout: float = 1e-2
    full_shots: int = 1_000
    training_steps: int = 20
    training_shots: int = 2_000
    n_extra: int = 1


@dataclass(frozen=True)
class ScenariosConfig:
    """Days drawn from each model."""

    n_samples: int = 100_000


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the numbers of a run."""

    seed: int = 7
    market: MarketConfig = field(default_factory=MarketConfig)
    marginals: MarginalsConfig = field(default_factory=MarginalsConfig)
    copula: CopulaConfig = field(default_factory=CopulaConfig)
    born: BornConfig = field(default_factory=BornConfig)
    circuit: CircuitConfig = field(default_factory=CircuitConfig)
    quantum: QuantumConfig = field(default_factory=QuantumConfig)
    scenarios: ScenariosConfig = field(default_factory=ScenariosConfig)

    def __post_init__(self) -> None:
        _check_values(self)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, JSON-ready; tuples as lists, None kept."""
        content: dict[str, Any] = asdict(self)
        content["market"]["assets"] = list(self.market.assets)
        return content

    def to_toml(self) -> str:
        """The config as TOML; what is None is left out and means the default again when read."""
        lines = [f"seed = {self.seed}"]
        for section, values in self.to_dict().items():
            if isinstance(values, dict):
                lines += ["", f"[{section}]"]
                lines += [f"{key} = {_toml_value(value)}" for key, value in values.items() if value is not None]
        return "\n".join(lines) + "\n"

    def with_market(self, **changes: Any) -> "RunConfig":
        """A copy with the given fields of [market] replaced."""
        return replace(self, market=replace(self.market, **changes))


def preset(name: str) -> RunConfig:
    if name not in PRESETS:
        raise InputError(f"preset: expected one of {', '.join(PRESETS)}, received {name!r}")
    return PRESETS[name]


def load_config(path: str | Path) -> RunConfig:
    """Read a TOML file; keys that are not given keep their defaults, keys that do not exist are refused."""
    try:
        content = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path}: expected a TOML file, received: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected TOML, received: {error}") from None
    return config_from_dict(content, where=str(path))


def config_from_dict(content: Mapping[str, Any], *, where: str = "config") -> RunConfig:
    """A config from nested plain values."""
    config: RunConfig = _build(RunConfig, content, where)
    return config


def _build(cls: Any, content: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(cls)
    unknown = sorted(set(content) - set(hints))
    if unknown:
        raise InputError(f"{where}: expected keys among {', '.join(hints)}, received {unknown[0]!r}")
    values = {}
    for key, value in content.items():
        hint, place = hints[key], f"{where}: {key}"
        if hasattr(hint, "__dataclass_fields__"):
            if not isinstance(value, Mapping):
                raise InputError(f"{place}: expected a section, received {value!r}")
            values[key] = _build(hint, value, place)
        else:
            values[key] = _checked(value, hint, place)
    return cls(**values)


def _checked(value: Any, hint: Any, place: str) -> Any:
    """`value` as the field's type; whole numbers pass for floats, lists for tuples of text."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if hint == tuple[str, ...]:
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif value is None and type(None) in options:
        return None
    elif float in options and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif type(value) in options:
        return value
    elif str in options and hasattr(value, "isoformat"):  # TOML has dates of its own
        return value.isoformat()
    names = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise InputError(f"{place}: expected {names}, received {value!r}")


_AT_LEAST = {
    "seed": 0,
    "n_functions": 2,
    "max_bond": 1,
    "n_assets": 2,
    "n_layers": 1,
    "n_distant": 0,
    "full_assets": 2,
    "full_layers": 1,
    "n_extra": 0,
    "n_samples": 1_000,
    "penalty": 0.0,
    "training_steps": 1,
}


def _check_values(config: RunConfig) -> None:
    sections = [("", config)] + [(f"[{f.name}] ", getattr(config, f.name)) for f in fields(config) if f.name != "seed"]
    for where, section in sections:
        for item in fields(section):
            value = getattr(section, item.name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                least = _AT_LEAST.get(item.name, 0.0 if isinstance(value, float) else 1)
                if not value >= least or (isinstance(value, float) and value >= 1.0):
                    raise InputError(f"{where}{item.name}: expected at least {least}{_below(value)}, received {value}")
    size = config.born.n_functions
    if size & (size - 1):
        raise InputError(
            f"[born] n_functions: expected a power of two (a register holds whole qubits), received {size}"
        )
    bases = ("independence", "gaussian", "student_t", "drifting_t", "vine")
    if config.copula.base not in bases:
        raise InputError(f"[copula] base: expected one of {', '.join(bases)}, received {config.copula.base!r}")


def _below(value: float) -> str:
    return " and below 1" if isinstance(value, float) else ""


def _toml_value(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return repr(value)


PRESETS: dict[str, RunConfig] = {
    "default": RunConfig(market=MarketConfig(train_end="2010-12-31")),
    # The whole job in well under a minute: for a first look and for the tests.
    "quick": RunConfig(
        market=MarketConfig(prices="fx-usd", train_end="2012-12-31"),
        born=BornConfig(n_functions=4, max_bond=2, max_steps=300),
        circuit=CircuitConfig(n_assets=3, n_layers=2, n_distant=2, max_steps=60, full_assets=4, full_layers=2),
        quantum=QuantumConfig(shots=4_000, noisy_shots=500, full_shots=500, training_steps=3, training_shots=500),
        scenarios=ScenariosConfig(n_samples=5_000),
    ),
}
