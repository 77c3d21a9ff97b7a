"""Comparing two runs of the same samples, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from neuro_deploy.engines.base import RunResult
from neuro_deploy.errors import UsageError
from neuro_deploy.network import FixedNetwork

FIELDS = ("u", "v", "spikes")
"""In the order in which a timestep computes them, so that the first difference is the cause."""


@dataclass(frozen=True)
class Divergence:
    """The first place where two runs differ: by population in execution order, then sample, timestep, neuron."""

    engine: str
    population: str
    sample: int
    timestep: int
    neuron: int
    want: int
    got: int
    field: str

    def __str__(self) -> str:
        return (
            f"{self.population}.{self.field} differs first in sample {self.sample} at timestep {self.timestep}, neuron "
            f"{self.neuron}: want {self.want:,}, {self.engine} gives {self.got:,}"
        )


@dataclass(frozen=True)
class Agreement:
    """How one engine compares. populations: name -> differing spikes."""

    differing_spikes: int
    compared_spikes: int
    populations: dict[str, int]


@dataclass(frozen=True)
class Verification:
    """The outcome of ``verify``: ok only where spikes, u and v of every population agree in every engine."""

    samples: int
    reference: str
    engines: dict[str, Agreement] = field(default_factory=dict)
    first_divergence: Divergence | None = None

    @property
    def ok(self) -> bool:
        """No difference anywhere."""
        return self.first_divergence is None

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what ``verify --json`` prints."""
        return {"ok": self.ok, **asdict(self)}


def compare(network: FixedNetwork, want: RunResult, got: RunResult, label: str) -> tuple[Agreement, Divergence | None]:
    """Compare spikes, u and v of every computed population. Both runs must have recorded them.

    Raises:
        UsageError: runs of networks with other populations, shapes or timesteps.
    """
    names = [population.name for population in network.computed]
    for name in names:
        theirs = got.spikes[name].shape if name in got.spikes else None
        if theirs != want.spikes[name].shape:
            raise UsageError(
                f"{label} has {f'shape {theirs}' if theirs else 'no such population'}, not {want.spikes[name].shape}",
                where=name,
                hint="compare networks of the same populations and timesteps",
            )
    differing = {name: int(np.count_nonzero(want.spikes[name] != got.spikes[name])) for name in names}
    compared = sum(want.spikes[name].size for name in names)
    return Agreement(sum(differing.values()), compared, differing), _first(names, want, got, label)


def _first(names: Iterable[str], want: RunResult, got: RunResult, label: str) -> Divergence | None:
    for name in names:
        for what in FIELDS:
            ours, theirs = getattr(want, what).get(name), getattr(got, what).get(name)
            if ours is None or theirs is None or np.array_equal(ours, theirs):
                continue
            flat_ours = ours.reshape(*ours.shape[:2], -1)
            flat_theirs = theirs.reshape(flat_ours.shape)
            sample, timestep, neuron = (int(i) for i in np.argwhere(flat_ours != flat_theirs)[0])
            wanted, found = (int(flat[sample, timestep, neuron]) for flat in (flat_ours, flat_theirs))
            return Divergence(label, name, sample, timestep, neuron, wanted, found, what)
    return None
