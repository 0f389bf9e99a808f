"""Rivals: evaluated supports -> better ones by other means, each a solver with the contract of the loop."""
