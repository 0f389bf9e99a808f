"""Regular vine copulas: a thin seam to pyvinecopulib, the classical model to beat."""

from typing import Any, Literal, Self, get_args

import numpy as np
from sklearn.base import BaseEstimator

from qfin._random import RandomLike, as_generator, integer_seed
from qfin._types import AnyArray, FloatArray
from qfin._validation import as_unit_cube, check_fitted
from qfin.copulas.contract import open_unit
from qfin.copulas.student_vine import inverse_rosenblatt, student_pairs
from qfin.exceptions import InputError

VineFamily = Literal["student", "parametric", "tll"]


class VineCopula(BaseEstimator):  # type: ignore[misc]
    """R-vine selected by Dißmann's algorithm.

    Parameters
    ----------
    family : {"student", "parametric", "tll"}
        Pair copulas: Student t; all one- and two-parameter families; or the transformed local-likelihood kernel. Each
        selection may also leave a pair independent.
    truncation_level : int, optional
        Trees beyond this one are independent (all trees by default).
    n_threads : int
        Threads of the fit and of the evaluations.
    """

    def __init__(self, family: VineFamily = "student", truncation_level: int | None = None, n_threads: int = 2):
        self.family = family
        self.truncation_level = truncation_level
        self.n_threads = n_threads

    def fit(self, u: FloatArray, y: None = None) -> Self:
        import pyvinecopulib as pv

        u = as_unit_cube(u)
        controls: dict[str, Any] = {"family_set": _families(self.family), "num_threads": self.n_threads}
        if self.truncation_level is not None:
            controls["trunc_lvl"] = self.truncation_level
        self.vine_ = pv.Vinecop.from_data(u, controls=pv.FitControlsVinecop(**controls))
        return self

    @property
    def n_assets_(self) -> int:
        check_fitted(self, "vine_")
        return int(self.vine_.dim)

    @property
    def n_params_(self) -> int:
        """Parameters, rounded: a kernel pair copula counts its effective degrees of freedom."""
        check_fitted(self, "vine_")
        return round(float(self.vine_.npars))

    def logpdf(self, u: FloatArray) -> FloatArray:
        log_density: FloatArray = self._vine.logpdf(self._door(u), num_threads=self.n_threads)
        return log_density

    def rosenblatt(self, u: FloatArray) -> FloatArray:
        return open_unit(self._vine.rosenblatt(self._door(u), num_threads=self.n_threads))

    def inverse_rosenblatt(self, w: FloatArray) -> FloatArray:
        w, pairs = self._door(w, "w"), student_pairs(self._vine)
        if pairs is not None:
            return inverse_rosenblatt(self._vine, pairs, w)
        return open_unit(self._vine.inverse_rosenblatt(w, num_threads=self.n_threads))

    def sample(self, n_samples: int = 1, *, rng: RandomLike = None) -> FloatArray:
        seeds = [integer_seed(as_generator(rng))]
        return open_unit(self._vine.sample(n_samples, num_threads=self.n_threads, seeds=seeds))

    @property
    def _vine(self) -> Any:
        check_fitted(self, "vine_")
        return self.vine_

    def _door(self, u: FloatArray, name: str = "u") -> FloatArray:
        return np.asfortranarray(as_unit_cube(u, name, n_columns=self.n_assets_))

    def to_arrays(self) -> dict[str, AnyArray]:
        return {"vine_json": np.array(self._vine.to_json()), "family": np.array(self.family)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, AnyArray]) -> Self:
        import pyvinecopulib as pv

        copula = cls(family=str(arrays["family"]))  # type: ignore[arg-type]
        copula.vine_ = pv.Vinecop.from_json(str(arrays["vine_json"]))
        return copula


def _families(name: str) -> list[Any]:
    import pyvinecopulib as pv

    family = pv.BicopFamily
    known = {
        "student": [family.indep, family.student],
        "tll": [family.indep, family.tll],
        "parametric": list(pv.families.parametric),
    }
    if name not in known:
        raise InputError(f"family: expected one of {', '.join(get_args(VineFamily))}, received {name!r}")
    return known[name]
