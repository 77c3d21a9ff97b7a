"""Comparing two runs of the same samples, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from neuro_deploy.engines.base import RunResult
from neuro_deploy.errors import UnsupportedError
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
        UnsupportedError: runs of networks with other populations, shapes or timesteps, or without u and v.
    """
    names = [population.name for population in network.computed]
    for what in FIELDS:
        ours, theirs = ({name: array.shape for name, array in getattr(run, what).items()} for run in (want, got))
        if ours != theirs or not set(names) <= set(ours):
            raise UnsupportedError(
                f"{label} has other {what}: {_differing(theirs, ours)}, not {_differing(ours, theirs)}",
                hint="compare networks of the same populations and timesteps",
            )
    differing = {name: int(np.count_nonzero(want.spikes[name] != got.spikes[name])) for name in names}
    compared = sum(want.spikes[name].size for name in names)
    return Agreement(sum(differing.values()), compared, differing), _first(names, want, got, label)


def _differing(ours: dict[str, tuple[int, ...]], theirs: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in ours.items() if theirs.get(name) != shape) or "nothing more"


def _first(names: Iterable[str], want: RunResult, got: RunResult, label: str) -> Divergence | None:
    for name in names:
        for what in FIELDS:
            ours, theirs = getattr(want, what)[name], getattr(got, what)[name]
            if np.array_equal(ours, theirs):
                continue
            flat_ours = ours.reshape(*ours.shape[:2], -1)
            flat_theirs = theirs.reshape(flat_ours.shape)
            sample, timestep, neuron = (int(i) for i in np.argwhere(flat_ours != flat_theirs)[0])
            wanted, found = (int(flat[sample, timestep, neuron]) for flat in (flat_ours, flat_theirs))
            return Divergence(label, name, sample, timestep, neuron, wanted, found, what)
    return None
