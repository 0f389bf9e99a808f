"""Benches: models and engines beside their peers, at equal budget -> rows that anyone can run again."""
