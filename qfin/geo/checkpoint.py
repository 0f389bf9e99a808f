"""Checkpoints: a run between two steps <-> one file; a resumed run goes on bit for bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qfin._files import write_whole
from qfin._types import AnyArray
from qfin.exceptions import InputError
from qfin.portfolio import Evaluator


def save_checkpoint(path: Path, state: Any, evaluator: Evaluator, rng: np.random.Generator) -> None:
    """Write the state's arrays, everything evaluated and the state of the random numbers; all of it or nothing."""
    supports, values = evaluator.pool()
    arrays: dict[str, AnyArray] = {f"state_{key}": value for key, value in state.to_arrays().items()}
    arrays |= {"supports": supports, "values": values, "rng": np.array(json.dumps(rng.bit_generator.state))}

    def write(partial: Path) -> None:
        with partial.open("wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]

    write_whole(path, write)


def load_checkpoint(
    path: Path, from_arrays: Callable[[dict[str, AnyArray]], Any], evaluator: Evaluator
) -> tuple[Any, np.random.Generator]:
    """The state and the random numbers of a checkpoint; `evaluator`, new, takes up what was evaluated."""
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = dict(content)
        random_state = json.loads(str(arrays["rng"]))
        state = from_arrays({k.removeprefix("state_"): v for k, v in arrays.items() if k.startswith("state_")})
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: expected a checkpoint of the loop, received: {error}") from None
    evaluator.restore(arrays["supports"], arrays["values"])
    rng = np.random.Generator(getattr(np.random, random_state["bit_generator"])())
    rng.bit_generator.state = random_state
    return state, rng
