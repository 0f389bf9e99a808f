"""The plateau bench: every gradient against finite differences of a dense loss, and the fitted laws."""

import numpy as np
import pytest

from qfin.basis import HermiteBasis
from qfin.bench.plateau import (
    Book,
    Gradients,
    bench_plateau,
    books,
    decay,
    decoded_kernels,
    frame,
    node_probabilities,
    shared_pairs,
    stock_days,
)
from qfin.born.starts import STARTS, start
from qfin.exceptions import InputError
from qfin.quantum import Ansatz
from qfin.training.kl import kl_divergence


def book(seed: int = 1, n_qubits: int = 4) -> Book:
    rng = np.random.default_rng(seed)
    loader, staircases = Ansatz.linear_chain(n_qubits, 4), Ansatz.linear_chain(n_qubits, 2)
    return Book(
        HermiteBasis(4).features(rng.normal(size=(60, n_qubits // 2))),
        loader.absorbed(0.3 * rng.normal(size=loader.n_params)),
        staircases.absorbed(0.3 * rng.normal(size=staircases.n_params)),
    )


def dense_loss(name: str, chosen: Book, ansatz: Ansatz, params: np.ndarray) -> float:
    """The losses from their definitions on full vectors."""
    state, target = ansatz.state(params), chosen.loader.state()
    if name == "nll":
        left, right = chosen.features[:, 0], chosen.features[:, 1]
        amplitudes = np.einsum("kl,nk,nl->n", state.reshape(4, 4), left, right)
        return -float(np.log(np.abs(amplitudes) ** 2).mean())
    if name == "fidelity":
        return 1.0 - abs(np.vdot(target, state)) ** 2
    transform = np.kron(HermiteBasis(4).transform(), HermiteBasis(4).transform())
    p, q = np.abs(transform @ state) ** 2, np.abs(transform @ target) ** 2
    if name == "kl":
        return float((q * np.log(q / p)).sum())
    kernels = decoded_kernels(name, 4)
    return float((p - q) @ np.kron(*kernels) @ (p - q))


@pytest.mark.parametrize("loss", ["nll", "kl", "mmd wide", "fidelity"])
def test_mean_square_equals_that_of_central_differences(loss: str) -> None:
    chosen = book()
    ansatz, params = start("random", frame(chosen), np.random.default_rng(2))
    shifts = 1e-5 * np.eye(ansatz.n_params)
    slopes = [
        (dense_loss(loss, chosen, ansatz, params + s) - dense_loss(loss, chosen, ansatz, params - s)) / 2e-5
        for s in shifts
    ]
    measured = Gradients(chosen, [loss]).mean_square(loss, chosen, ansatz, params)
    assert measured == pytest.approx(np.mean(np.square(slopes)), rel=1e-3)


def test_node_probabilities_are_those_of_the_dense_transform() -> None:
    state = book().loader.state()
    transform = np.kron(HermiteBasis(4).transform(), HermiteBasis(4).transform())
    np.testing.assert_allclose(node_probabilities(state), np.abs(transform @ state) ** 2, atol=1e-14)
    assert kl_divergence(node_probabilities(state), node_probabilities(state)) == pytest.approx(0.0, abs=1e-14)


def test_pairs_are_two_staircases_and_every_pair() -> None:
    pairs = shared_pairs(6)
    assert len(pairs) == 2 * 5 + 15
    assert len({tuple(pair) for pair in pairs[10:].tolist()}) == 15


def test_fits_recover_an_exponential_and_a_power() -> None:
    n = np.arange(4.0, 19.0, 2.0)
    exponential, power = decay(n, 3.0 * np.exp(-0.7 * n)), decay(n, 3.0 * n**-2.0)
    assert exponential["decay_rate"] == pytest.approx(0.7)
    assert (exponential["better_fit"], power["better_fit"]) == ("exponential", "power")
    assert power["decay_power"] == pytest.approx(2.0)
    assert decay(n[:2], n[:2])["decay_rate"] is None
    stationary = decay(n, np.where(n == n[0], 0.0, np.exp(-n)))
    assert set(stationary.values()) == {None}


def test_bench_from_days_to_rows() -> None:
    observations = np.random.default_rng(4).standard_t(4, size=(400, 3))
    result = bench_plateau((4,), n_seeds=2, losses=("mmd wide",), days=(lambda columns: observations[:, columns], 3))
    assert [(row["start"], row["loss"]) for row in result["rows"]] == [(name, "mmd wide") for name in STARTS]
    assert all(row["grad_var"] > 0.0 and row["decay_rate"] is None for row in result["rows"])
    assert result["pauli_weights"][0]["mean_pauli_weight"] < 2.0
    assert bench_plateau((4,), days=(lambda columns: observations[:, columns], 3), limit_s=-1.0)["skipped"]


def test_the_default_days_give_chains_that_are_not_the_ground_state() -> None:
    days, n_assets = stock_days(1_000)
    for chosen in books(4, 2, days, n_assets, seed=7):
        assert abs(chosen.loader.state()[0]) ** 2 < 0.999


def test_wrong_sizes_and_losses_are_refused() -> None:
    with pytest.raises(InputError, match="even numbers"):
        bench_plateau((5,))
    with pytest.raises(InputError, match="losses"):
        Gradients(book(), ["hinge"])
