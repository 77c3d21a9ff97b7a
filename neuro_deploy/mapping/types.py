"""What a mapping is."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.network.fan_out import Order

ASSUMPTIONS = (
    "every synapse is stored: weights that positions share are stored once per position, zeros too",
    "an input axon serves one projection and one source neuron that has synapses on the core",
    "a core holds one part of one population",
)
"""What the counts rest on, where nothing public says otherwise."""


@dataclass(frozen=True)
class Core:
    """Neurons start to stop - 1 of one population, counted in ``order``. used: resource -> how much of it.

    order: "channels first" as arrays hold them, or "channels last": height, width, channel.
    """

    index: int
    chip: int
    population: str
    start: int
    stop: int
    used: Dict[str, int]
    order: Order = "channels first"

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


@dataclass(frozen=True)
class Mapping:
    """Cores in order, the limits they were cut by, and whether all of them hold."""

    profile: HardwareProfile
    cores: tuple[Core, ...]
    limits: tuple[Limit, ...]
    chips: int

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

    def to_dict(self, *, cores: bool = True) -> dict[str, Any]:
        """Plain data: what ``map --json`` prints. cores: with a list of all of them."""
        summary = {
            "fits": self.fits,
            "cores": len(self.cores),
            "chips": self.chips,
            "profile": self.profile.name,
            "utilisation": self.utilisation(),
            "limits": [{**vars(limit), "holds": limit.holds} for limit in self.limits],
            "assumptions": list(ASSUMPTIONS),
        }
        return {**summary, "core_list": [_core_dict(core) for core in self.cores]} if cores else summary


def _core_dict(core: Core) -> dict[str, Any]:
    return {
        "core": core.index,
        "chip": core.chip,
        "population": core.population,
        "neurons": core.neurons,
        "start": core.start,
        "stop": core.stop,
        "order": core.order,
        "used": dict(core.used),
    }
