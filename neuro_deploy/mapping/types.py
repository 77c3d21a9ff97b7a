"""What a mapping is."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.network.fan_out import Order

ASSUMPTIONS = {
    False: (
        "every synapse is stored: weights that positions share are stored once per position, zeros too",
        "an input axon serves one projection and one source neuron that has synapses on the core",
        "a core holds one part of one population",
    ),
    True: (
        "weights that positions share are stored once per core, zeros too; all other synapses each on their own",
        "a dense layer with equal weights at all positions of a channel has one input axon and list per channel",
        "a core holds one part of one population",
    ),
}
"""What the counts rest on, where nothing public says otherwise. Key: whether weights are shared."""


@dataclass(frozen=True)
class Core:
    """Neurons start to stop - 1 of one population, counted in ``order``. used: resource -> how much of it.

    order: "channels first" as arrays hold them, "channels last": height, width, channel, or "strips of N" columns.
    tile: (column, row) of the core's tile on the mesh that all chips of the system make together.
    """

    index: int
    chip: int
    population: str
    start: int
    stop: int
    used: Dict[str, int]
    order: Order = "channels first"
    tile: tuple[int, int] = (0, 0)

    @property
    def neurons(self) -> int:
        """How many."""
        return self.stop - self.start


@dataclass(frozen=True)
class Limit:
    """One limit of the profile and the most that any core (or the system) asks of it.

    limit: None where nothing is public. where: the population that asks most. hint: what helps, where it does not hold.
    """

    resource: str
    unit: str
    limit: int | None
    used: int
    where: str
    source: str
    hint: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it is kept; an unknown limit counts as kept."""
        return self.limit is None or self.used <= self.limit

    def __str__(self) -> str:
        allowed = "unknown" if self.limit is None else f"{self.limit:,}"
        return f"{self.resource}: {self.used:,} {self.unit} for {self.where}, allowed: {allowed}"


@dataclass(frozen=True, eq=False)
class Mapping:
    """Cores in order, the limits they were cut by, and whether all of them hold.

    shared: whether weights of positions are stored once per core. weight_bits: of a stored weight, None: the profile's.
    cut: how populations were cut. places: how cores were given their places.
    """

    profile: HardwareProfile
    cores: tuple[Core, ...]
    limits: tuple[Limit, ...]
    chips: int
    shared: bool = False
    weight_bits: int | None = None
    cut: str = "fewest"
    places: str = "none"

    @property
    def fits(self) -> bool:
        """Whether every known limit holds."""
        return all(limit.holds for limit in self.limits)

    @cached_property
    def rows(self) -> Dict[str, list[int]]:
        """Population -> where its cores stand in ``cores``."""
        rows: dict[str, list[int]] = {}
        for row, core in enumerate(self.cores):
            rows.setdefault(core.population, []).append(row)
        return rows

    def of(self, population: str) -> tuple[Core, ...]:
        """The cores that hold this population."""
        return tuple(self.cores[row] for row in self.rows.get(population, ()))

    def utilisation(self) -> dict[str, dict[str, float]]:
        """resource -> {"min", "mean", "max"} over cores, as shares of the core's limit, 0..1."""
        shares: dict[str, dict[str, float]] = {}
        for limit in self.limits:
            used = [core.used[limit.resource] for core in self.cores if limit.resource in core.used]
            if used and limit.limit:
                share = np.asarray(used) / limit.limit
                shares[limit.resource] = {"min": share.min(), "mean": share.mean(), "max": share.max()}
        return {name: {key: round(float(v), 6) for key, v in share.items()} for name, share in shares.items()}

    def binding(self) -> float:
        """The mean over cores of the share of the resource that each uses most, 0..1 where all fit."""
        shares = [core_shares(core, self.limits) for core in self.cores]
        return round(float(np.mean([max(share.values(), default=0.0) for share in shares])), 6) if shares else 0.0

    def busiest(self, most: int = 5) -> list[dict[str, Any]]:
        """The cores that are nearest to a limit: core, population, resource and share."""
        rows: list[dict[str, Any]] = []
        for core in self.cores:
            shares = core_shares(core, self.limits)
            resource = max(shares, key=lambda name: shares[name])
            rows.append({"core": core.index, "population": core.population, "resource": resource})
            rows[-1]["share"] = round(shares[resource], 6)
        return sorted(rows, key=lambda row: (-row["share"], row["core"]))[:most]

    def to_dict(self, *, cores: bool = True) -> dict[str, Any]:
        """Plain data: what ``map --json`` prints. cores: with a list of all of them."""
        summary = {
            "fits": self.fits,
            "cores": len(self.cores),
            "chips": self.chips,
            "profile": self.profile.name,
            "utilisation": self.utilisation(),
            "binding_utilisation": self.binding(),
            "weight_sharing": self.shared,
            "weight_bits": self.weight_bits,
            "cut": self.cut,
            "placement": self.places,
            "limits": [{**vars(limit), "holds": limit.holds} for limit in self.limits],
            "assumptions": list(ASSUMPTIONS[self.shared]),
        }
        return {**summary, "core_list": [_core_dict(core) for core in self.cores]} if cores else summary


FIXED = ("neuron_groups", "words_per_axon")
"""Resources that do not fill up: one group a core, and a limit of each axon's list."""


def core_shares(core: Core, limits: Sequence[Limit]) -> dict[str, float]:
    """resource -> share of its limit, of resources that fill up."""
    return {
        limit.resource: core.used[limit.resource] / limit.limit
        for limit in limits
        if limit.limit and limit.resource in core.used and limit.resource not in FIXED
    }


def _core_dict(core: Core) -> dict[str, Any]:
    return {
        "core": core.index,
        "chip": core.chip,
        "population": core.population,
        "neurons": core.neurons,
        "start": core.start,
        "stop": core.stop,
        "order": core.order,
        "tile": list(core.tile),
        "used": dict(core.used),
    }
