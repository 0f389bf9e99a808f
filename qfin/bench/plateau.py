"""Where gradients vanish: their variance against the number of qubits, for each start and loss.

All starts share one circuit, two staircases and then a block on every pair of qubits, so that a random one mixes all of
them. The target is a chain trained on a book of d assets, two qubits each, without a base copula (on a Student t chains
this small gain nothing and are |0…0⟩); every seed draws another book. Gradients are exact, on all angles, at the start;
shots would add noise that hides what is small.

starts
    Those of `qfin.born.starts`. mps: a chain of half the target's bond, trained on the same days. identity: |0…0⟩,
    independence. gaussian: small normal angles. random: every block from the Haar measure. adaptive: AdaInit-style, the
    best of ten proposals by the very figure that is shown here, for each loss anew.
losses
    nll: on the days themselves. kl, mmd: against the target's probabilities of Gauss–Hermite nodes, mmd with a Gaussian
    kernel of bandwidth 0.5 (narrow), √d/2 and √d (wide) on decoded values. lqf, fidelity: local and global infidelity
    to the target, loaded by a circuit of four staircases.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import linregress

from qfin._random import stream
from qfin._types import FloatArray, IntArray
from qfin.basis import HermiteBasis
from qfin.basis.hermite import gauss_hermite
from qfin.born import MPSBornMachine, map_mps_to_circuit
from qfin.born.mps_training import train_members
from qfin.born.starts import STARTS, Frame, Variance, start
from qfin.born.undoing import undoing
from qfin.exceptions import InputError
from qfin.experiments.config import MarketConfig
from qfin.experiments.panel import load_market
from qfin.quantum.ansatz import Ansatz
from qfin.training.kl import kl_divergence, negative_log_likelihood
from qfin.training.local_fidelity import global_infidelity, local_infidelity
from qfin.training.mmd_exact import gaussian_kernels, mean_pauli_weight, mmd_squared_exact

Say = Callable[[str], None]
LOSSES = ("nll", "kl", "mmd narrow", "mmd middle", "mmd wide", "lqf", "fidelity")
QUBITS = tuple(range(4, 19, 2))
_SIZE = 2  # qubits of an asset
_CHAIN_LAYERS = 2
_LOADER_LAYERS = 4
_DAYS = 1000
_BONDS = (4, 2)  # of the target and of the start


@dataclass(frozen=True)
class Book:
    """A book of assets: features (n, d, K) of its days, the target's loader and the chain that the mps start maps."""

    features: FloatArray
    loader: Ansatz
    staircases: Ansatz

    @property
    def n_qubits(self) -> int:
        return self.loader.n_qubits


def shared_pairs(n_qubits: int) -> IntArray:
    """The staircases' pairs, then all pairs of qubits, far ones in between near ones."""
    chain = [(i, i + 1) for _ in range(_CHAIN_LAYERS) for i in range(n_qubits - 1)]
    distances = [(i, i + step) for step in range(1, n_qubits) for i in range(n_qubits - step)]
    return np.array(chain + distances, dtype=np.int64)


def books(n_qubits: int, n_seeds: int, y: Callable[[IntArray], FloatArray], n_assets: int, seed: int) -> list[Book]:
    """One book per seed: `n_qubits`/2 of the assets, in the order of the chain, target and start trained on their days.

    `y(columns)` are the latent observations (n, d) of a choice of assets.
    """
    n_registers = n_qubits // _SIZE
    rng = stream(seed, "bench", "plateau", str(n_qubits))
    columns = [np.sort(rng.choice(n_assets, n_registers, replace=False)) for _ in range(n_seeds)]
    days = np.stack([y(chosen) for chosen in columns])
    held_out = np.stack([rng.random(days.shape[1]) < 0.2 for _ in range(n_seeds)])
    settings = MPSBornMachine(2**_SIZE, max_steps=600).settings()
    chains = [train_members(days, held_out, replace(settings, max_bond=bond), rng)[0] for bond in _BONDS]
    basis = HermiteBasis(2**_SIZE)
    return [
        Book(
            basis.features(observations[:: max(1, len(observations) // _DAYS)]),
            map_mps_to_circuit(target, _LOADER_LAYERS).ansatz,
            map_mps_to_circuit(chain, _CHAIN_LAYERS).ansatz,
        )
        for observations, target, chain in zip(days, *chains, strict=True)
    ]


def frame(book: Book, gradient_variance: Variance | None = None) -> Frame:
    """The shared circuit for the starts of a book."""
    return Frame(book.staircases, shared_pairs(book.n_qubits)[book.staircases.n_blocks :], gradient_variance)


def stock_days(n_days: int = 5000) -> tuple[Callable[[IntArray], FloatArray], int]:
    """Training days of any choice of the default panel's assets, as normal scores."""
    panel = load_market(MarketConfig(train_end="2010-12-31"))
    y = ndtri(panel.u_train[-n_days:])
    return lambda columns: np.asarray(y[:, columns]), len(panel.assets)


class Gradients:
    """Compiled gradients of every loss for one number of qubits; books and starts enter as arrays."""

    def __init__(self, book: Book, losses: Sequence[str]) -> None:
        import jax

        self._plan_pairs = shared_pairs(book.n_qubits)
        self._losses = {name: jax.jit(jax.grad(self._loss(name, book))) for name in losses}

    def variance(self, name: str, loss: str, books: Sequence[Book], rngs: Sequence[np.random.Generator]) -> float:
        """Mean over books of `mean_square` at a start."""
        values = []
        for book, rng in zip(books, rngs, strict=True):
            measure = partial(self.mean_square, loss, book)
            values.append(measure(*start(name, frame(book, measure), rng)))
        return float(np.mean(values))

    def mean_square(self, loss: str, book: Book, ansatz: Ansatz, params: FloatArray) -> float:
        """Mean of the squared derivatives by all angles."""
        import jax.numpy as jnp

        from qfin.quantum.engine import precision

        if loss in ("lqf", "fidelity"):
            process = undoing(ansatz, book.loader)
            extra: tuple[Any, ...] = (process.ansatz.fixed.astype("complex64"), process.rotation.astype("float32"))
        elif loss == "nll":
            extra = (ansatz.fixed.astype("complex64"), book.features.astype("float32"))
        else:
            extra = (ansatz.fixed.astype("complex64"), node_probabilities(book.loader.state()).astype("float32"))
        with precision("complex64"):
            gradient = np.asarray(self._losses[loss](jnp.asarray(params, "float32"), *extra), dtype=np.float64)
        return float(np.mean(gradient**2))

    def _loss(self, name: str, book: Book) -> Callable[..., Any]:
        from qfin.quantum.engine import ansatz_plan, circuit_state, log_ratio

        if name not in LOSSES:
            raise InputError(f"losses: expected names among {', '.join(LOSSES)}, received {name!r}")
        circuit = Ansatz.identity(book.n_qubits, self._plan_pairs)
        plan = ansatz_plan(circuit)
        if name in ("lqf", "fidelity"):
            infidelity = local_infidelity if name == "lqf" else global_infidelity
            process = undoing(circuit, book.loader)
            undone_plan = ansatz_plan(process.ansatz)

            def undone(params: Any, fixed: Any, rotation: Any) -> Any:
                angles = replace(process, rotation=rotation).angles(params)
                return infidelity(circuit_state(undone_plan, angles, fixed))

            return undone
        if name == "nll":
            return lambda params, fixed, features: negative_log_likelihood(
                log_ratio(circuit_state(plan, params, fixed), features)
            )
        if name == "kl":
            return lambda params, fixed, target: kl_divergence(
                target, node_probabilities(circuit_state(plan, params, fixed))
            )
        kernels = decoded_kernels(name, book.n_qubits)
        return lambda params, fixed, target: mmd_squared_exact(
            node_probabilities(circuit_state(plan, params, fixed)), target, kernels
        )


def decoded_kernels(name: str, n_qubits: int) -> list[FloatArray]:
    """The kernels of an mmd loss on the decoded nodes of all registers."""
    n_registers = n_qubits // _SIZE
    bandwidth = {"mmd narrow": 0.5, "mmd middle": 0.5 * np.sqrt(n_registers), "mmd wide": np.sqrt(n_registers)}[name]
    return gaussian_kernels(gauss_hermite(2**_SIZE)[0], n_registers, float(bandwidth))


def node_probabilities(state: Any) -> Any:
    """Probabilities of the Gauss–Hermite nodes of all registers, shape (2**n,); NumPy or JAX."""
    transform = HermiteBasis(2**_SIZE).transform()
    size = len(transform)
    nodes = state
    for _ in range((state.size.bit_length() - 1) // _SIZE):
        # the register in front goes to the back
        nodes = (transform.astype(nodes.dtype) @ nodes.reshape(size, -1)).T.reshape(-1)
    return nodes.real**2 + nodes.imag**2


def bench_plateau(
    qubits: Sequence[int] = QUBITS,
    *,
    n_seeds: int = 4,
    starts: Sequence[str] = tuple(STARTS),
    losses: Sequence[str] = LOSSES,
    days: tuple[Callable[[IntArray], FloatArray], int] | None = None,
    limit_s: float = 480.0,
    seed: int = 7,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Rows per start, loss and size with the decay fitted over the sizes, and the kernels' mean Pauli weights.

    `grad_var` is the mean square of the derivatives by all angles, over `n_seeds` books; `decay_rate` the slope of
    −log grad_var per qubit (see `decay`). Sizes that do not fit into `limit_s` seconds are left out and said.
    """
    for n_qubits in qubits:
        if n_qubits % _SIZE or not 2 * _SIZE <= n_qubits <= 20:
            raise InputError(f"qubits: expected even numbers from {2 * _SIZE} to 20, received {n_qubits}")
    latent, n_assets = stock_days() if days is None else days
    end = time.monotonic() + limit_s
    skipped: list[dict[str, Any]] = []
    cells: dict[tuple[str, str, int], float] = {}
    for n_qubits in sorted(qubits):
        if time.monotonic() > end:
            skipped.append({"qubits": n_qubits, "reason": f"the limit of {limit_s:.0f} s was reached before"})
            continue
        say(f"{n_qubits} qubits: training {n_seeds} books")
        chosen = books(n_qubits, n_seeds, latent, n_assets, seed)
        say(f"{n_qubits} qubits: gradients of {len(shared_pairs(n_qubits)) * 15} angles")
        gradients = Gradients(chosen[0], losses)
        for name in starts:
            for loss in losses:
                rngs = [stream(seed, "plateau", name, str(i)) for i in range(len(chosen))]
                cells[name, loss, n_qubits] = gradients.variance(name, loss, chosen, rngs)
    rates = {(name, loss): _fits(name, loss, cells) for name, loss, _ in cells}
    rows = [
        {
            "start": name,
            "loss": loss,
            "qubits": n_qubits,
            "grad_var": variance,
            "decay_rate": rates[name, loss]["decay_rate"],
        }
        for (name, loss, n_qubits), variance in cells.items()
    ]
    return {
        "rows": rows,
        "rates": list(rates.values()),
        "pauli_weights": _pauli_weights(losses, sorted({n for *_, n in cells})),
        "skipped": skipped,
    }


def write_figure(rows: Sequence[dict[str, Any]], path: str | Path) -> Path:
    """The rows as an HTML page of one figure."""
    from qfin.viz.plateau import write_plateau_page

    return write_plateau_page(rows, path)


def _fits(name: str, loss: str, cells: dict[tuple[str, str, int], float]) -> dict[str, Any]:
    points = sorted((n, variance) for (s, f, n), variance in cells.items() if (s, f) == (name, loss))
    n_qubits, variances = np.array(points).T
    return {"start": name, "loss": loss, **decay(n_qubits, variances)}


def decay(n_qubits: FloatArray, variances: FloatArray) -> dict[str, float | str | None]:
    """Two laws fitted to log variance by least squares: exp(−rate · n) and n^(−power), and which fits better.

    All null with fewer than three sizes, and where a variance is zero: such a start is a stationary point.
    """
    if len(n_qubits) < 3 or not (variances > 0.0).all():
        return dict.fromkeys(["decay_rate", "decay_rate_se", "decay_power", "better_fit"])
    exponential, power = (linregress(x, -np.log(variances)) for x in (n_qubits, np.log(n_qubits)))
    return {
        "decay_rate": float(exponential.slope),
        "decay_rate_se": float(exponential.stderr),
        "decay_power": float(power.slope),
        "better_fit": "exponential" if exponential.rvalue**2 > power.rvalue**2 else "power",
    }


def _pauli_weights(losses: Sequence[str], sizes: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {"loss": loss, "qubits": n, "mean_pauli_weight": mean_pauli_weight(decoded_kernels(loss, n))}
        for loss in losses
        if loss.startswith("mmd")
        for n in sizes
    ]
