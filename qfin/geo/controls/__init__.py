"""Controls: weighted supports -> classical generators that stand where the Born machine stands in the loop."""

from qfin.geo.controls.product import ProductGenerator
from qfin.geo.controls.rbm import RBMGenerator
from qfin.geo.controls.tree import TreeGenerator

__all__ = ["ProductGenerator", "RBMGenerator", "TreeGenerator"]
