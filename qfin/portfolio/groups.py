"""Limits on groups of assets, such as sectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qfin.exceptions import InputError


@dataclass(frozen=True)
class Group:
    """How many members may be held (`count`), and how much they may weigh together (`weight`); None means no limit."""

    name: str
    members: tuple[str, ...]
    count: tuple[int, int] | None = None
    weight: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        if not self.members or len(set(self.members)) != len(self.members):
            raise InputError(f"group {self.name}: expected different members, received {self.members}")
        for word, limits in (("count", self.count), ("weight", self.weight)):
            if limits is not None and not 0 <= limits[0] <= limits[1]:
                raise InputError(f"group {self.name}: expected 0 <= lowest <= highest {word}, received {limits}")


def sector_groups(
    sectors: Mapping[str, str],
    *,
    count: Mapping[str, tuple[int, int]] | None = None,
    weight: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[Group, ...]:
    """One group per limited sector, from asset -> sector and sector -> limits."""
    counts, weights = count or {}, weight or {}
    known = sorted(set(sectors.values()))
    for sector in [*counts, *weights]:
        if sector not in known:
            raise InputError(f"sector: expected one of {', '.join(known)}, received {sector!r}")
    names: Sequence[str] = [sector for sector in known if sector in counts or sector in weights]
    return tuple(
        Group(name, tuple(asset for asset, own in sectors.items() if own == name), counts.get(name), weights.get(name))
        for name in names
    )
