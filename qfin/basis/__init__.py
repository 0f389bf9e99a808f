"""Basis: latent normal values y <-> features, measurement outcomes and interval Gram matrices."""

from qfin.basis.hermite import HermiteBasis

__all__ = ["HermiteBasis"]
