"""Files that are there whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from qfin.exceptions import InputError


def write_whole(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a hidden file beside `path`, then rename it to `path`; on any failure nothing is left behind.

    Raises
    ------
    InputError
        The path is a folder, its folder is missing or unwritable, or the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: expected a file to write, received a folder")
    # The ending is kept: some writers choose their format by it.
    partial = path.with_name(f".{uuid4().hex}.{path.name}")
    try:
        try:
            write(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be written, received: {error.strerror or error}") from None
    return path
