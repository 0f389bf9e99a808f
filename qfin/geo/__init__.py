"""Generator-enhanced optimisation: evaluated supports -> Boltzmann surrogate -> Born machine -> unseen candidates."""
