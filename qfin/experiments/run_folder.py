"""The folder that one run leaves behind, and the one way to read it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qfin._files import write_whole
from qfin._types import AnyArray
from qfin.exceptions import InputError


@dataclass(frozen=True)
class RunFolder:
    """`reports/<run-id>/`: config.toml, record.json, arrays/, models/, circuit.qpy, circuit.qasm, report.html.

    Every file is written whole or not at all; arrays and models are NumPy archives without pickle.
    """

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """An existing, finished run; raises `InputError` where there is none."""
        folder = cls(Path(path))
        if not (folder.path / "record.json").is_file():
            raise InputError(f"run: expected a folder with a record.json, received {folder.path}")
        return folder

    @classmethod
    def create(cls, path: str | Path) -> "RunFolder":
        """A folder to write to, with its sub-folders; raises `InputError` where it cannot be made."""
        folder = cls(Path(path))
        try:
            for name in ("arrays", "models"):
                (folder.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: expected a folder that can be written, received: {error.strerror}") from None
        return folder

    @cached_property
    def record(self) -> dict[str, Any]:
        """record.json: seed, versions, timings, every number of the tables."""
        try:
            content: dict[str, Any] = json.loads((self.path / "record.json").read_text())
        except ValueError as error:
            raise InputError(f"{self.path / 'record.json'}: expected JSON, received: {error}") from None
        return content

    @property
    def written(self) -> int:
        """When the record was last written, in ns: what is kept of a run in memory holds until then."""
        return (self.path / "record.json").stat().st_mtime_ns

    def write_json(self, name: str, content: Any) -> Path:
        text = json.dumps(content, indent=2, allow_nan=False)
        return self.write_text(name, text + "\n")

    def write_text(self, name: str, text: str) -> Path:
        return write_whole(self.path / name, lambda partial: partial.write_text(text))

    def has_arrays(self, name: str) -> bool:
        return (self.path / f"{name}.npz").is_file()

    def arrays(self, name: str) -> dict[str, AnyArray]:
        """Arrays of `<name>.npz`, such as "arrays/figures" or "models/mps"."""
        path = self.path / f"{name}.npz"
        try:
            with np.load(path, allow_pickle=False) as archive:
                return dict(archive)
        except FileNotFoundError:
            known = ", ".join(sorted(p.stem for p in path.parent.glob("*.npz"))) or "none"
            raise InputError(f"{path}: expected one of the stored archives ({known})") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: expected a NumPy archive without pickle, received: {error}") from None

    def write_arrays(self, name: str, arrays: Mapping[str, AnyArray]) -> Path:
        def write(partial: Path) -> None:
            with partial.open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

        return write_whole(self.path / f"{name}.npz", write)
