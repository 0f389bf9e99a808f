"""Random numbers: one `Generator` per call, and named streams that do not disturb one another."""

import hashlib

import numpy as np

RandomLike = np.random.Generator | int | None


def as_generator(rng: RandomLike) -> np.random.Generator:
    """A `Generator` from a generator (kept, so that it advances), an integer seed, or None (fresh entropy)."""
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)


def stream(seed: int, *names: str) -> np.random.Generator:
    """The generator of a named stream of `seed`; adding a stream changes no other stream's draws."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    key = tuple(int.from_bytes(digest[i : i + 4], "big") for i in range(0, 16, 4))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def integer_seed(rng: np.random.Generator) -> int:
    """A fresh 31-bit seed for a library that takes integers only; `rng` advances."""
    return int(rng.integers(2**31 - 1))
