"""The starts stand where they say, on one list of pairs; the extensions join the registers they name."""

import numpy as np
import pytest

from qfin.born.starts import (
    ADAPTIVE_ROUNDS,
    EXTENSIONS,
    STARTS,
    Frame,
    adaptive_start,
    extension_pairs,
    gaussian_scale,
    gaussian_start,
    start,
)
from qfin.exceptions import InputError
from qfin.quantum import Ansatz

CHAIN = Ansatz.linear_chain(4, 2).absorbed(0.3 * np.random.default_rng(1).standard_normal(90))
ADDED = np.array([[3, 1], [0, 3]])


def spread(ansatz: Ansatz, params: np.ndarray) -> float:
    """Stands for the gradient's variance: larger for angles closer to a spread of one."""
    return float(-abs(np.log(params.std())))


FRAME = Frame(CHAIN, ADDED, spread)


def test_starts_stand_where_they_say_on_the_same_pairs() -> None:
    points = {name: start(name, FRAME, np.random.default_rng(2)) for name in STARTS}
    states = {name: ansatz.state(params) for name, (ansatz, params) in points.items()}
    np.testing.assert_allclose(states["mps"], CHAIN.state(), atol=1e-12)
    np.testing.assert_allclose(states["identity"], np.eye(16)[0], atol=1e-12)
    assert 0.01 < 1.0 - abs(states["gaussian"][0]) ** 2 < 1.0
    assert np.abs(states["random"]).max() < 0.9
    for ansatz, params in points.values():
        np.testing.assert_array_equal(ansatz.pairs, np.concatenate([CHAIN.pairs, ADDED]))
        assert params.shape == (15 * 8,)


def test_gaussian_spread_is_the_published_scaling() -> None:
    # 8 blocks on 4 qubits: 4 on each
    assert gaussian_scale(FRAME.identity) == pytest.approx(1.0 / np.sqrt(8.0 * (4.0 + 2.0)))
    _, params = gaussian_start(FRAME, np.random.default_rng(3))
    assert abs(params.std() - gaussian_scale(FRAME.identity)) < 5.0 * gaussian_scale(FRAME.identity) / np.sqrt(240)


def test_adaptive_start_never_falls_and_asks_as_often_as_it_says() -> None:
    seen: list[float] = []

    def recorded(ansatz: Ansatz, params: np.ndarray) -> float:
        seen.append(spread(ansatz, params))
        return seen[-1]

    ansatz, params = adaptive_start(Frame(CHAIN, ADDED, recorded), np.random.default_rng(4))
    assert len(seen) == ADAPTIVE_ROUNDS
    assert spread(ansatz, params) == max(seen) > seen[0]
    again = adaptive_start(FRAME, np.random.default_rng(4))[1]
    np.testing.assert_array_equal(params, again)
    with pytest.raises(InputError, match="gradient_variance"):
        adaptive_start(Frame(CHAIN, ADDED), np.random.default_rng(4))


def test_extensions_join_the_registers_they_name() -> None:
    information = np.zeros((4, 4))
    information[0, 1], information[0, 2], information[0, 3], information[1, 3] = 9.0, 0.1, 0.3, 0.2
    information += information.T
    pairs = {name: extension_pairs(name, information, 2, 2).tolist() for name in EXTENSIONS}
    assert pairs["none"] == []
    assert pairs["neighbours"] == [[1, 3], [3, 5], [5, 7]]
    assert pairs["distant"] == [[1, 7], [3, 7]]
    assert pairs["all"][:3] == [[1, 3], [1, 7], [3, 7]]
    assert len(pairs["all"]) == 6
    assert extension_pairs("distant", information[:2, :2], 2).shape == (0, 2)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="expected one of mps"):
        start("zero", FRAME, np.random.default_rng(5))
    with pytest.raises(InputError, match="extension: expected one of none"):
        extension_pairs("some", np.zeros((3, 3)), 2)
