"""From the options of `qfin run` to a config and a folder."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from qfin.exceptions import InputError
from qfin.experiments.config import RunConfig, load_config, preset

_REPORTS = Path("reports")


def chosen_config(
    file: Path | None,
    preset_name: str | None,
    prices: str | None,
    kind: str | None,
    train_end: str | None,
    assets: str | None,
    seed: int | None,
) -> RunConfig:
    """The file or preset, with what the other options replace."""
    if file is not None and preset_name is not None:
        raise InputError("run: expected --config or --preset, received both")
    config = preset(preset_name or "default") if file is None else load_config(file)
    if prices is not None and prices != config.market.prices:
        # Another source: the preset's own kind, end of training and assets do not carry over.
        config = config.with_market(prices=prices, kind=None, train_end=None, assets=())
    changes = {name: value for name, value in (("kind", kind), ("train_end", train_end)) if value is not None} | (
        {} if assets is None else {"assets": tickers(assets)}
    )
    config = config.with_market(**changes)
    return config if seed is None else replace(config, seed=seed)


def tickers(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise InputError(f"--assets: expected tickers separated by commas, received {text!r}")
    return names


def chosen_folder(out: Path | None, config: RunConfig, resume: bool) -> Path:
    """`out`, the newest unfinished run under reports/ when resuming, or a new folder there."""
    if out is not None:
        return out
    if resume:
        unfinished = [
            p.parent.parent
            for p in _REPORTS.glob("*/stages/fingerprint")
            if not (p.parent.parent / "record.json").exists()
        ]
        if not unfinished:
            raise InputError(
                f"--resume: expected an unfinished run under {_REPORTS}/, received none; name it with --out"
            )
        return max(unfinished, key=lambda path: path.name)
    source = Path(config.market.prices).name.split(".")[0]
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{source}"
    taken = {path.name for path in _REPORTS.glob(f"{stem}*")}
    name = next(name for name in (stem, *(f"{stem}-{i}" for i in range(2, 1000))) if name not in taken)
    return _REPORTS / name
