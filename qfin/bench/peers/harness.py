"""Runs one peer in its own environment: `harness.py PEER PROBLEM ANSWER`.

A peer's file has `solve(problem, timed) -> answer`, dicts of NumPy arrays and the stopwatch below, and takes its
library by `import_module`: it is there in the environment that runs it and not in qfin's.
"""

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np


def timed(step: Callable[[], Any], problem: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What `step` gives, and the seconds of its first call and of each further one, within the problem's budget.

    Up to `max_steps` further calls while `budget_s` lasts, one at least.
    """
    started = time.perf_counter()
    result = step()
    first = time.perf_counter() - started
    steps: list[float] = []
    while not steps or (len(steps) < int(problem["max_steps"]) and sum(steps) < float(problem["budget_s"])):
        began = time.perf_counter()
        result = step()
        steps.append(time.perf_counter() - began)
    return result, {"first_s": np.array(first), "steps_s": np.array(steps)}


def main(peer: str, question: str, answer: str) -> None:
    """Read the problem, let the peer solve it, write its answer."""
    with np.load(question, allow_pickle=False) as arrays:
        problem = dict(arrays)
    np.savez(answer, **import_module(peer).solve(problem, timed))


if __name__ == "__main__":
    main(*sys.argv[1:])
