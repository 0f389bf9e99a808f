"""Does a circuit learn more than the chain it comes from? Every stage on unseen days of real panels, over many seeds.

A seed is another draw of held-out days, of the chain's start and of batches; all models of a seed stop on the same
held-out days. The chain gets `CHAIN_STEPS` steps; the circuit mapped from it `CIRCUIT_STEPS` more; the models that
start anew (the chain with as many parameters, the circuits from the identity and from random blocks) get both together.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from qfin._files import write_whole
from qfin._random import integer_seed, stream
from qfin._types import BoolArray, FloatArray
from qfin.born import CircuitBornMachine, MPSBornMachine, map_mps_to_circuit
from qfin.born.mps_training import train_members
from qfin.born.starts import Frame, extension_pairs, start
from qfin.copulas import BornCopula, StudentTCopula
from qfin.exceptions import InputError
from qfin.experiments.config import MarketConfig
from qfin.experiments.panel import load_market

Say = Callable[[str], None]
CHAIN_STEPS, CIRCUIT_STEPS = 1000, 500
BASE, CHAIN, TWIN = "base (student_t)", "mps", "mps, as many parameters"
MAPPED, LINEAR, NEIGHBOURS, DISTANT, ALL = (
    "circuit, mapped",
    "circuit, trained on",
    "circuit, trained on with gates on neighbours",
    "circuit, trained on with distant gates",
    "circuit, trained on with gates on all pairs",
)
IDENTITY, RANDOM = "circuit, from the identity", "circuit, from random blocks"
MODELS = (BASE, CHAIN, MAPPED, LINEAR, NEIGHBOURS, DISTANT, ALL, TWIN, IDENTITY, RANDOM)
COMPARED = (
    (CHAIN, BASE),
    (MAPPED, CHAIN),
    (LINEAR, MAPPED),
    (LINEAR, TWIN),
    (NEIGHBOURS, LINEAR),
    (DISTANT, LINEAR),
    (ALL, LINEAR),
    (DISTANT, TWIN),
    (DISTANT, IDENTITY),
    (DISTANT, RANDOM),
)
_BLOCK_LENGTH = 60
_COVERAGE = 0.95


@dataclass(frozen=True)
class PanelChoice:
    """A panel to learn from: a bundled set or file, and which of its assets."""

    name: str
    market: MarketConfig


def _stocks(name: str, *assets: str) -> PanelChoice:
    return PanelChoice(name, MarketConfig("us20", train_end="2010-12-31", assets=assets))


DEFAULT_PANELS = (
    _stocks("us20, one cluster", "UNH", "PEP", "KO", "PG", "JNJ", "PFE"),
    _stocks("us20, six sectors", "JPM", "XOM", "AAPL", "KO", "JNJ", "HD"),
    PanelChoice("fx-usd", MarketConfig("fx-usd", assets=("EURUSD", "GBPUSD", "USDJPY", "USDCHF", "AUDUSD", "USDCAD"))),
    PanelChoice("fx-eur", MarketConfig("fx-eur", assets=("GBP", "CHF", "JPY", "AUD", "NOK", "SEK"))),
    PanelChoice("fx-fed", MarketConfig("fx-fed", assets=("GBP", "CHF", "JPY", "AUD", "CAD", "SEK"))),
)


def panel_choices(sources: Sequence[str]) -> list[PanelChoice]:
    """Bundled sets and price files, split at the day after which 30 % of the days remain."""
    return [PanelChoice(source, MarketConfig(source)) for source in sources]


@dataclass(frozen=True)
class ContinueSettings:
    """Sizes shared by all panels: qubits an asset, bond of the chain, staircases and distant gates of the circuit."""

    n_qubits_per_register: int = 2
    max_bond: int = 4
    n_layers: int = 2
    n_distant: int = 4
    chain_steps: int = CHAIN_STEPS
    circuit_steps: int = CIRCUIT_STEPS
    learning_rate: float = 1e-3
    penalty: float = 0.003


@dataclass(frozen=True)
class LatentPanel:
    """Latent observations of a panel under its base, and the base's own log density of the test days."""

    name: str
    y_train: FloatArray
    y_test: FloatArray
    base_days: FloatArray
    base_params: int


def latent_panel(choice: PanelChoice, max_assets: int = 6) -> LatentPanel:
    """The first `max_assets` of the panel, in the order of the chain, behind a Student t base fitted to them."""
    panel = load_market(choice.market)
    u_train, u_test = panel.u_train[:, :max_assets], panel.u_test[:, :max_assets]
    base = StudentTCopula().fit(u_train)
    copula = BornCopula.from_parts(base, None)
    days = np.asarray(base.logpdf(u_test))
    return LatentPanel(choice.name, copula.latent(u_train), copula.latent(u_test), days, int(base.n_params_))


@dataclass(frozen=True)
class SeedFit:
    """What one seed leaves behind: log-ratios of the test days (n_days,) and number of parameters of each model."""

    days: dict[str, FloatArray]
    params: dict[str, int]


@dataclass(frozen=True)
class SeedStore:
    """Finished seeds of one panel in a folder, or nowhere; each with the question that it answers."""

    folder: Path | None
    name: str
    question: str

    @classmethod
    def of(
        cls, folder: Path | None, panel: LatentPanel, n_seeds: int, settings: ContinueSettings, seed: int
    ) -> "SeedStore":
        digest = sha256(panel.y_train.tobytes() + panel.y_test.tobytes()).hexdigest()
        return cls(folder, re.sub(r"\W+", "-", panel.name), f"{settings} n_seeds={n_seeds} seed={seed} data={digest}")

    def read(self, number: int) -> SeedFit | None:
        """The fit of a seed, None where it was not finished; `InputError` where the folder answers another question."""
        path = self._path(number)
        if path is None or not path.exists():
            return None
        with np.load(path, allow_pickle=False) as content:
            if str(content["question"]) != self.question:
                raise InputError(
                    f"{path}: expected a seed of {self.question}, received {content['question']}; name another folder"
                )
            days = {name: np.array(content[f"days/{name}"]) for name in MODELS}
            return SeedFit(days, {name: int(content[f"params/{name}"]) for name in MODELS})

    def write(self, number: int, fit: SeedFit) -> None:
        path = self._path(number)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {f"days/{name}": values for name, values in fit.days.items()}
        arrays |= {f"params/{name}": np.array(count) for name, count in fit.params.items()}
        write_whole(path, lambda partial: _save(partial, arrays | {"question": np.array(self.question)}))

    def _path(self, number: int) -> Path | None:
        return None if self.folder is None else self.folder / f"{self.name}-{number}.npz"


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def bench_continue(
    panels: Sequence[LatentPanel],
    *,
    n_seeds: int = 10,
    settings: ContinueSettings | None = None,
    limit_s: float = 480.0,
    seed: int = 7,
    keep: Path | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per panel and model: mean log-likelihood of the test days over seeds, with 95 % intervals.

    `loglik_lo` and `loglik_hi` hold the uncertainty of days and of seeds; `comparisons` are differences within day and
    seed, with intervals of their own, and are what tells models apart. A panel gets its share of `limit_s` seconds:
    seeds that do not fit are left out, and `n_seeds` of a row counts those that did. Finished seeds lie in the folder
    `keep` and are not fitted again, so that an interrupted bench goes on to the same figures.
    """
    settings = ContinueSettings() if settings is None else settings
    if n_seeds < 2:
        raise InputError(f"n_seeds: expected at least 2, received {n_seeds}")
    end = time.monotonic() + limit_s
    rows: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    for done, panel in enumerate(panels):
        share = (end - time.monotonic()) / (len(panels) - done)
        ratios, params = _fit_panel(
            panel,
            n_seeds,
            settings,
            time.monotonic() + share,
            seed,
            SeedStore.of(keep, panel, n_seeds, settings, seed),
            say,
        )
        rng = stream(seed, "bench", "continue", panel.name)
        rows += panel_rows(panel, ratios, params, rng)
        comparisons += panel_comparisons(panel.name, ratios, rng)
    return {"rows": rows, "comparisons": comparisons}


def _fit_panel(
    panel: LatentPanel,
    n_seeds: int,
    settings: ContinueSettings,
    end: float,
    seed: int,
    store: "SeedStore",
    say: Say,
) -> tuple[dict[str, FloatArray], dict[str, int]]:
    """Log-ratios of the test days (seeds, n_days) and number of parameters of each model."""
    done = [store.read(number) for number in range(n_seeds)]
    if None in done:
        rng = stream(seed, "continue", panel.name)
        held_out = np.array([_held_out(len(panel.y_train), rng) for _ in range(n_seeds)])
        say(f"{panel.name}: {n_seeds} chains")
        chains = _chains(panel, held_out, settings.max_bond, settings.chain_steps, settings, rng)
        twins: list[MPSBornMachine] = []
        started, fitted = time.monotonic(), 0
        for number in range(n_seeds):
            circuit_seed = integer_seed(rng)
            spent = time.monotonic() - started
            late = fitted >= 2 and time.monotonic() + spent / fitted > end
            if done[number] is None and late:
                say(f"{panel.name}: {number} of {n_seeds} seeds fit into the time")
                break
            say(f"{panel.name}: seed {number + 1} of {n_seeds}")
            known, circuits = done[number], dict[str, CircuitBornMachine]()
            if known is None:
                circuits = _circuits(chains[number], panel, held_out[number], settings, circuit_seed)
            if not twins:
                n_params = circuits[DISTANT].n_params_ if known is None else known.params[DISTANT]
                bond = bond_with(n_params, panel.y_train.shape[1], 2**settings.n_qubits_per_register)
                twins = _chains(panel, held_out, bond, settings.chain_steps + settings.circuit_steps, settings, rng)
            if known is None:
                fit = _seed_fit({CHAIN: chains[number], **circuits, TWIN: twins[number]}, panel)
                store.write(number, fit)
                done[number], fitted = fit, fitted + 1
    fits = [fit for fit in done if fit is not None]
    return {name: np.stack([fit.days[name] for fit in fits]) for name in MODELS}, fits[0].params


def _seed_fit(machines: Mapping[str, MPSBornMachine | CircuitBornMachine], panel: LatentPanel) -> SeedFit:
    days = {name: machine.log_ratio(panel.y_test) for name, machine in machines.items()}
    params = {name: machine.n_params_ for name, machine in machines.items()}
    return SeedFit({BASE: np.zeros(len(panel.y_test)), **days}, {BASE: panel.base_params, **params})


def _held_out(n_days: int, rng: np.random.Generator) -> BoolArray:
    mask = np.zeros(n_days, dtype=bool)
    mask[rng.permutation(n_days)[: round(0.2 * n_days)]] = True
    return mask


def bond_with(n_params: int, n_registers: int, n_functions: int) -> int:
    """The smallest bond at which a chain stores at least `n_params` numbers, or its largest useful bond."""
    largest = int(n_functions ** (n_registers // 2))
    for bond in range(1, largest):
        widths = [min(bond, n_functions ** min(i, n_registers - i)) for i in range(n_registers + 1)]
        if sum(left * n_functions * right for left, right in pairwise(widths)) >= n_params:
            return bond
    return largest


def _chains(
    panel: LatentPanel,
    held_out: BoolArray,
    max_bond: int,
    max_steps: int,
    settings: ContinueSettings,
    rng: np.random.Generator,
) -> list[MPSBornMachine]:
    machine = MPSBornMachine(2**settings.n_qubits_per_register, max_bond, penalty=settings.penalty, max_steps=max_steps)
    tensors, _, _ = train_members(panel.y_train, held_out, machine.settings(), rng)
    return [MPSBornMachine.from_tensors(member) for member in tensors]


def _circuits(
    chain: MPSBornMachine, panel: LatentPanel, held_out: BoolArray, settings: ContinueSettings, seed: int
) -> dict[str, CircuitBornMachine]:
    """The mapped circuit, and every circuit trained from it or anew, all stopped on the same held-out days."""
    size = settings.n_qubits_per_register
    mapped = CircuitBornMachine.from_ansatz(map_mps_to_circuit(chain.tensors_, settings.n_layers).ansatz, size)
    information = mapped.register_mutual_information()
    frames = {
        name: Frame(mapped.ansatz, extension_pairs(extension, information, size, settings.n_distant))
        for name, extension in ((LINEAR, "none"), (NEIGHBOURS, "neighbours"), (DISTANT, "distant"), (ALL, "all"))
    }
    anew = settings.chain_steps + settings.circuit_steps
    rng = stream(seed, "random blocks")
    starts = {name: (start("mps", frame, rng), settings.circuit_steps) for name, frame in frames.items()} | {
        IDENTITY: (start("identity", frames[DISTANT], rng), anew),
        RANDOM: (start("random", frames[DISTANT], rng), anew),
    }
    y, y_held = panel.y_train[~held_out], panel.y_train[held_out]
    trained = {
        name: CircuitBornMachine(ansatz, size, learning_rate=settings.learning_rate, max_steps=steps, seed=seed).fit(
            y, y_held
        )
        for name, ((ansatz, _), steps) in starts.items()
    }
    return {MAPPED: mapped, **trained}


def panel_rows(
    panel: LatentPanel, ratios: dict[str, FloatArray], params: dict[str, int], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """One row per model of a panel."""
    rows = []
    for name in MODELS:
        level = two_way_interval(panel.base_days + ratios[name], rng)
        rows.append(
            {
                "panel": panel.name,
                "model": name,
                "n_params": params[name],
                "loglik": level[0],
                "loglik_lo": level[1],
                "loglik_hi": level[2],
                "n_seeds": len(ratios[name]),
            }
        )
    return rows


def panel_comparisons(panel: str, ratios: dict[str, FloatArray], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Mean difference of each pair of `COMPARED` in nats a day; positive: the first is ahead."""
    rows = []
    for first, second in COMPARED:
        mean, lower, upper = two_way_interval(ratios[first] - ratios[second], rng)
        rows.append(
            {"panel": panel, "model": first, "against": second, "diff": mean, "diff_lo": lower, "diff_hi": upper}
        )
    return rows


def two_way_interval(
    values: FloatArray, rng: np.random.Generator, *, n_resamples: int = 1000, block_length: float = _BLOCK_LENGTH
) -> tuple[float, float, float]:
    """Mean of values (seeds, days) and its 95 % percentile interval, seeds and days both resampled.

    Seeds are drawn with replacement, days in blocks of geometric length around the year (stationary bootstrap, Politis
    and Romano 1994), the same days for all seeds.
    """
    n_seeds, n_days = values.shape
    seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1.0 / n_seeds), size=n_resamples) / n_seeds
    by_day = seeds @ values
    place = np.arange(n_days)
    fresh = rng.random((n_resamples, n_days)) * block_length < 1.0
    fresh[:, 0] = True
    begun = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    first = rng.integers(n_days, size=(n_resamples, n_days))
    days = (np.take_along_axis(first, begun, axis=1) + place - begun) % n_days
    means = np.take_along_axis(by_day, days, axis=1).mean(axis=1)
    lower, upper = np.quantile(means, [(1.0 - _COVERAGE) / 2.0, (1.0 + _COVERAGE) / 2.0])
    return float(values.mean()), float(lower), float(upper)
