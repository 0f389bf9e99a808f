"""Several matrix product states as one density: members hold out different days, averaged and shrunk to the base."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator
from qfin._types import AnyArray, FloatArray, IntArray
from qfin._validation import as_matrix, check_fitted
from qfin.born.mps import MPSBornMachine

BLOCKS_PER_FOLD = 2
_SHARES = np.linspace(0.0, 1.0, 41)


class BornEnsemble(BaseEstimator):  # type: ignore[misc]
    """Mean of the members' densities, mixed with the standard normal: p(y)/φ(y) = 1 − λ + λ Σ_s |Ψ_s(y)|²/S.

    The training days, in order of time, are dealt into as many folds as there are members, `BLOCKS_PER_FOLD` blocks of
    neighbouring days each. Each member trains on the other folds and stops on its own, so that every training day has a
    log-density from a member that did not train on it; the share λ is the one under which those days are likeliest,
    over 41 values from 0 to 1.

    Parameters
    ----------
    n_members : int
    machine : MPSBornMachine, optional
        Settings of the members; `MPSBornMachine()` by default. Its `held_out_fraction` plays no part.

    Attributes
    ----------
    members_ : list of fitted MPSBornMachine
    share_ : λ
    held_out_log_ratio_ : (n,) log |Ψ|² of each training day under the member that held it out

    Notes
    -----
    Why blocks: neighbouring days are alike, so that days held out one by one flatter what will not last. Gain over
    `RegimeCopula(StudentTCopula())` on later days of development panels, five members of degree 4, by folds of single
    days, and of 4, 2 and 1 blocks each, nats a day:

    ============================ ======== ======== ======== ========
    panel                        days     4        2        1
    ============================ ======== ======== ======== ========
    12 ETFs to 2018              −0.030   −0.008   −0.004   +0.006
    10 world indices to 2005     −0.017   −0.006   −0.003   0
    10 US industries to 1982     −0.107   −0.069   −0.020   −0.003
    12 US stocks to 2014         +0.056   +0.046   +0.028   0
    10 US stocks to 2010         +0.028   +0.010   +0.011   −0.001
    14 US financials to 2016     +0.220   +0.201   +0.162   0
    15 currencies to 2014        +0.053   +0.031   0        0
    ============================ ======== ======== ======== ========

    Single days lose most where the correction does not last; with one block each nothing is learnt where much can be.
    """

    def __init__(self, n_members: int = 5, machine: MPSBornMachine | None = None):
        self.n_members = n_members
        self.machine = machine

    def fit(self, y: ArrayLike, targets: None = None, *, on_step: Any = None) -> Self:
        """Fit to latent observations y, shape (n, d)."""
        from qfin.born.mps_training import train_members

        observations = as_matrix(y, "y", min_rows=10 * self.n_members)
        machine = MPSBornMachine() if self.machine is None else self.machine
        rng = np.random.default_rng(machine.seed)
        folds = block_folds(len(observations), self.n_members)
        held_out = folds == np.arange(self.n_members)[:, None]
        tensors, self.records_, ratios = train_members(observations, held_out, machine.settings(), rng, on_step=on_step)
        self.members_ = [MPSBornMachine.from_tensors(member) for member in tensors]
        self.held_out_log_ratio_ = ratios[folds, np.arange(len(observations))]
        self.share_ = likeliest_share(self.held_out_log_ratio_)
        return self

    @property
    def n_registers_(self) -> int:
        check_fitted(self, "members_")
        return self.members_[0].n_registers_

    @property
    def n_params_(self) -> int:
        check_fitted(self, "members_")
        return sum(member.n_params_ for member in self.members_) + 1

    def log_ratio(self, y: ArrayLike) -> FloatArray:
        """Log density relative to independent standard normals, shape (n,), nats."""
        check_fitted(self, "members_")
        members = np.stack([member.log_ratio(y) for member in self.members_])
        top = members.max(axis=0)
        mean = top + np.log(np.exp(members - top).mean(axis=0))
        return shrunk_log_ratio(mean, self.share_)

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        """Exact draws y, shape (n_samples, d), each from one component chosen at random."""
        rng = as_generator(rng)
        rows, changed = self.sample_changed(n_samples, rng=rng)
        y = rng.standard_normal((n_samples, self.n_registers_))
        y[rows] = changed
        return y

    def sample_changed(self, n_samples: int, *, rng: RandomLike = None) -> tuple[IntArray, FloatArray]:
        """Which of `n_samples` draws come from a member, and their y; the others are independent standard normals."""
        check_fitted(self, "members_")
        rng = as_generator(rng)
        weights = [1.0 - self.share_, *[self.share_ / len(self.members_)] * len(self.members_)]
        chosen = rng.choice(len(weights), size=n_samples, p=weights)
        rows = np.flatnonzero(chosen)
        y = np.empty((len(rows), self.n_registers_))
        for i, member in enumerate(self.members_, start=1):
            own = np.flatnonzero(chosen[rows] == i)
            if len(own):
                y[own] = member.sample(len(own), rng=rng)
        return rows, y

    def marginal_moments(self) -> FloatArray:
        """a_m of every register's own density φ(y) Σ_m a_m h_m(y), shape (d, 2K − 1)."""
        check_fitted(self, "members_")
        mean: FloatArray = np.mean([member.marginal_moments() for member in self.members_], axis=0) * self.share_
        mean[:, 0] += 1.0 - self.share_
        return mean

    def to_arrays(self) -> dict[str, AnyArray]:
        check_fitted(self, "members_")
        arrays: dict[str, AnyArray] = {"share": np.array(self.share_), "n_members": np.array(len(self.members_))}
        for i, member in enumerate(self.members_):
            arrays |= {f"member_{i}.{key}": value for key, value in member.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        ensemble = cls(int(arrays["n_members"]))
        ensemble.share_ = float(arrays["share"])
        ensemble.members_ = [
            MPSBornMachine.from_arrays(
                {k.removeprefix(f"member_{i}."): v for k, v in arrays.items() if k.startswith(f"member_{i}.")}
            )
            for i in range(ensemble.n_members)
        ]
        return ensemble


def block_folds(n_days: int, n_folds: int) -> IntArray:
    """The fold of each day, (n_days,): `BLOCKS_PER_FOLD` blocks of neighbouring days for every fold, in turn."""
    return np.asarray(np.arange(n_days) * (BLOCKS_PER_FOLD * n_folds) // n_days % n_folds)


def shrunk_log_ratio(log_ratio: FloatArray, share: float) -> FloatArray:
    """log(1 − λ + λ e^r), stable for large r."""
    if share >= 1.0:
        return log_ratio
    return np.asarray(np.logaddexp(np.log1p(-share), log_ratio + np.log(share) if share > 0 else -np.inf))


def likeliest_share(log_ratio: FloatArray) -> float:
    """The λ of `shrunk_log_ratio` under which days with these out-of-sample log-ratios are likeliest."""
    scores = [shrunk_log_ratio(log_ratio, share).mean() for share in _SHARES]
    return float(_SHARES[int(np.argmax(scores))])
