"""Comparing two runs of the same samples, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from neuro_deploy.engines.base import RunResult
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedNetwork

FIELDS = ("u", "v", "spikes")
"""In the order in which a timestep computes them, so that the first difference is the cause."""
NAMED = 3
"""Populations that a refusal names; the others are counted."""


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
    """How one engine compares. populations: name -> differing spikes.

    values: relay or readout -> [differing, compared] values of v, which is what a relay sends. differing_predictions:
    samples with another class; None without a readout.
    not_compared: relays that only one of two networks has. scales: where two networks' scales differ, the first
    population where they do, [name, ours, theirs]: weights are then rounded to other multiples, and spikes may differ.
    """

    differing_spikes: int
    compared_spikes: int
    populations: dict[str, int]
    not_compared: tuple[str, ...] = ()
    scales: tuple[str, float, float] | None = None
    values: dict[str, tuple[int, int]] = field(default_factory=dict)
    differing_predictions: int | None = None


@dataclass(frozen=True)
class Verification:
    """The outcome of ``verify``: ok only where spikes, u and v of every population agree in every engine.

    steps: float model, float network, fixed network: what each step of the conversion changes, as plain data.
    """

    samples: int
    reference: str
    engines: dict[str, Agreement] = field(default_factory=dict)
    first_divergence: Divergence | None = None
    steps: tuple[Mapping[str, Any], ...] = ()

    @property
    def ok(self) -> bool:
        """No difference anywhere."""
        return self.first_divergence is None

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what ``verify --json`` prints."""
        return {"ok": self.ok, **asdict(self)}


def compare(
    network: FixedNetwork, want: RunResult, got: RunResult, label: str, other: FixedNetwork | None = None
) -> tuple[Agreement, Divergence | None]:
    """Compare spikes, u and v of every computed population. Both runs must have recorded them.

    other: the network of the second run, where it is another one. Relays that only one of them has are left out, and u
    with them: a bias arrives as synaptic input where a relay sends it.

    Raises:
        UnsupportedError: runs of networks with other populations, shapes or timesteps, or without u and v.
    """
    theirs = network if other is None else other
    kinds = {p.name: p.kind for p in (*network.computed, *theirs.computed)}
    once = {p.name for p in network.computed} ^ {p.name for p in theirs.computed}
    relays = tuple(name for name in kinds if name in once and kinds[name] == "relay")
    names = [population.name for population in network.computed if population.name not in relays]
    fields = FIELDS[1:] if relays else FIELDS
    for what in fields:
        _check_shapes(what, names, _shapes(want, what, relays), _shapes(got, what, relays), label)
    differing = {name: int(np.count_nonzero(want.spikes[name] != got.spikes[name])) for name in names}
    compared = sum(want.spikes[name].size for name in names)
    values = {
        name: (int(np.count_nonzero(want.v[name] != got.v[name])), want.v[name].size)
        for name in names
        if kinds[name] != "lif"
    }
    changed = int(np.count_nonzero(want.predictions != got.predictions)) if want.outputs.shape[1] else None
    agreement = Agreement(
        sum(differing.values()), compared, differing, relays, _scales(network, theirs), values, changed
    )
    return agreement, _first(names, fields, want, got, label)


def _shapes(run: RunResult, what: str, left_out: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in getattr(run, what).items() if name not in left_out}


def _check_shapes(
    what: str, names: list[str], ours: dict[str, tuple[int, ...]], theirs: dict[str, tuple[int, ...]], label: str
) -> None:
    if ours != theirs or not set(names) <= set(ours):
        raise UnsupportedError(
            f"{label} has other {what}: {_differing(theirs, ours)}, not {_differing(ours, theirs)}",
            hint="compare networks of the same populations and timesteps",
        )


def _scales(network: FixedNetwork, other: FixedNetwork) -> tuple[str, float, float] | None:
    """The first population whose scale is another one in the other network, as far as their reports say."""
    ours, theirs = (_reported_scales(each) for each in (network, other))
    differing = [(name, ours[name], theirs[name]) for name in ours if name in theirs and ours[name] != theirs[name]]
    return differing[0] if differing else None


def _reported_scales(network: FixedNetwork) -> dict[str, float]:
    report = network.meta.get("quantization")
    rows = report.get("populations") if isinstance(report, dict) else None
    if not isinstance(rows, list):
        return {}
    return {
        str(row.get("name")): float(row["scale"])
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("scale"), int | float)
    }


def _differing(ours: dict[str, tuple[int, ...]], theirs: dict[str, tuple[int, ...]]) -> str:
    names = [f"{name} {shape}" for name, shape in ours.items() if theirs.get(name) != shape]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more or "nothing more"


def _first(
    names: Iterable[str], fields: Sequence[str], want: RunResult, got: RunResult, label: str
) -> Divergence | None:
    for name in names:
        for what in fields:
            ours, theirs = getattr(want, what)[name], getattr(got, what)[name]
            if np.array_equal(ours, theirs):
                continue
            flat_ours = ours.reshape(*ours.shape[:2], -1)
            flat_theirs = theirs.reshape(flat_ours.shape)
            sample, timestep, neuron = (int(i) for i in np.argwhere(flat_ours != flat_theirs)[0])
            wanted, found = (int(flat[sample, timestep, neuron]) for flat in (flat_ours, flat_theirs))
            return Divergence(label, name, sample, timestep, neuron, wanted, found, what)
    return None
