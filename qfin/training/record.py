"""What a training run leaves behind."""

from dataclasses import dataclass

import numpy as np

from qfin._types import AnyArray, FloatArray, IntArray


@dataclass(frozen=True)
class TrainingRecord:
    """Curves of one training run; log-likelihoods are means per observation, in nats, relative to the base.

    Attributes
    ----------
    steps : (n_checks,) optimiser steps at which the curves were read; the start counts as step 0.
    train, validation : (n_checks,) log-likelihood on training and on held-out observations.
    stopped_at : step whose parameters were kept.
    seconds : wall time, compilation included.
    n_evaluations : gradient evaluations.
    """

    steps: IntArray
    train: FloatArray
    validation: FloatArray
    stopped_at: int
    seconds: float
    n_evaluations: int

    @property
    def best_validation(self) -> float:
        """Held-out log-likelihood of the parameters that were kept."""
        return float(self.validation[np.flatnonzero(self.steps == self.stopped_at)[0]])

    def to_arrays(self) -> dict[str, AnyArray]:
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> "TrainingRecord":
        return cls(
            steps=np.asarray(arrays["steps"]),
            train=np.asarray(arrays["train"]),
            validation=np.asarray(arrays["validation"]),
            stopped_at=int(arrays["stopped_at"]),
            seconds=float(arrays["seconds"]),
            n_evaluations=int(arrays["n_evaluations"]),
        )
