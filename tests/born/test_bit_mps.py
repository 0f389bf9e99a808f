"""The Born machine on bits against the dense vector: normalisation, amplitudes, draws, training."""

import itertools

import numpy as np
import pytest

from qfin.born.bit_chain import chain_shape, log_amplitudes, product_start
from qfin.born.bit_kernels import environments, step_site
from qfin.born.bit_mps import BitMPS
from qfin.exceptions import InputError, NotFittedError

N_BITS = 7
ALL = np.array(list(itertools.product([False, True], repeat=N_BITS)))


def strings(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return ALL[rng.integers(len(ALL), size=n)], rng.random(n) + 0.1


def dense(machine: BitMPS) -> np.ndarray:
    """Ψ of all strings by multiplying the tensors out, most significant bit first."""
    vector = np.eye(1, machine.max_bond)
    for tensor in machine.tensors_[:, :, 0]:
        vector = np.einsum("xl,slr->xsr", vector, tensor).reshape(-1, machine.max_bond)
    return vector[:, 0]


def test_amplitudes_and_probabilities_match_the_dense_vector() -> None:
    bits, weight = strings(20, 0)
    machine = BitMPS(3).fit(bits, weight, rng=1)
    vector = dense(machine)
    np.testing.assert_allclose(machine.amplitudes(ALL), vector, atol=1e-13)
    np.testing.assert_allclose(np.exp(machine.log_prob(ALL)), vector**2, atol=1e-13)
    assert (vector**2).sum() == pytest.approx(1.0, abs=1e-12)


def test_draws_follow_the_probabilities() -> None:
    bits, weight = strings(10, 1)
    machine = BitMPS(3).fit(bits, weight, rng=1)
    n_draws = 20_000
    draws = machine.sample(n_draws, rng=2)
    shares = np.bincount(draws @ (1 << np.arange(N_BITS - 1, -1, -1)), minlength=len(ALL)) / n_draws
    probability = np.exp(machine.log_prob(ALL))
    error = np.sqrt(probability * (1.0 - probability) / n_draws)
    assert (np.abs(shares - probability) < 5.0 * error + 5.0 / n_draws).all()


def test_without_sweeps_it_is_nearly_the_product_model() -> None:
    bits, weight = strings(40, 2)
    machine = BitMPS(2, n_sweeps=0, smoothing=0.0, start_noise=1e-8).fit(bits, weight, rng=1)
    share = weight @ bits / weight.sum()
    product = np.where(ALL, share, 1.0 - share).prod(axis=1)
    np.testing.assert_allclose(np.exp(machine.log_prob(ALL)), product, rtol=1e-3)


def test_every_sweep_lowers_the_loss() -> None:
    bits, weight = strings(15, 3)
    losses = [-(weight @ BitMPS(4, n_sweeps=m).fit(bits, weight, rng=1).log_prob(bits)) for m in range(6)]
    assert (np.diff(losses) < 0.0).all()


def test_a_step_goes_along_the_gradient() -> None:
    """The direction of a site is −½ of the loss's gradient there: compared with finite differences of log p."""
    bits, weight = strings(12, 4)
    weight = weight / weight.sum()
    shape = chain_shape(N_BITS, 3, None)
    start = product_start(shape, np.full(N_BITS, 0.7), 0.5, np.random.default_rng(5))
    tiny = 1e-4
    ones, charges = bits.T.astype(np.int64), np.zeros((N_BITS + 1, len(bits)), dtype=np.int64)
    stepped = start.copy()
    step_site(stepped, ones, charges, *environments(start, ones, charges), weight, tiny, 0)
    moved = (stepped[0] - start[0]) / tiny

    def loss(first: np.ndarray) -> float:
        tensors = start.copy()
        tensors[0] = first
        log_scale, _ = log_amplitudes(tensors, shape, bits)
        return float(-2.0 * weight @ log_scale + np.log((first**2).sum()))

    for place in [(0, 0, 0, 0), (1, 0, 0, 1), (1, 0, 0, 0)]:
        up, down = start[0].copy(), start[0].copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        slope = (loss(up) - loss(down)) / 2e-5
        assert moved[place] == pytest.approx(-0.5 * slope, abs=2e-3 * np.abs(moved).max())


def test_the_same_rng_gives_the_same_bits() -> None:
    bits, weight = strings(12, 6)
    first, second = (BitMPS(3).fit(bits, weight, rng=9) for _ in range(2))
    assert (first.tensors_ == second.tensors_).all()
    assert (first.sample(50, rng=3) == second.sample(50, rng=3)).all()


@pytest.mark.parametrize(
    ("bits", "weight", "word"),
    [
        (np.zeros(5, dtype=bool), None, "matrix"),
        (np.full((3, 4), 2), None, "zeros and ones"),
        (np.zeros((3, 4), dtype=bool), np.array([1.0, -1.0, 1.0]), "weights"),
        (np.zeros((3, 4), dtype=bool), np.ones(2), "weights"),
    ],
)
def test_wrong_input_is_refused(bits: np.ndarray, weight: np.ndarray | None, word: str) -> None:
    with pytest.raises(InputError, match=word):
        BitMPS().fit(bits, weight)


def test_an_unfitted_machine_says_so() -> None:
    with pytest.raises(NotFittedError):
        BitMPS().sample(3)
