"""All that there is to say of a mapping, as plain data."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from typing import Any, Protocol

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.alternatives import alternatives as other_ways
from neuro_deploy.mapping.alternatives import smallest_system
from neuro_deploy.mapping.check import check_mapping, unchecked
from neuro_deploy.mapping.places import MOST_CORES, across_chips, hop_weighted
from neuro_deploy.mapping.reach import traffic
from neuro_deploy.mapping.types import Mapping
from neuro_deploy.network import FixedNetwork
from neuro_deploy.network.fan_out import Counts
from neuro_deploy.progress import Progress, silent

MOST_NEURONS = 500_000
"""Larger networks are mapped in other ways only where that is asked for."""


class Run(Protocol):
    """What of a run decides on messages: population -> (T, neurons) spikes."""

    @property
    def counts(self) -> Dict[str, Counts]: ...


def report(
    network: FixedNetwork,
    mapping: Mapping,
    profiles: Sequence[HardwareProfile],
    *,
    result: Run | None = None,
    alternatives: bool | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The mapping's plain data, check, busiest cores, placement, alternatives and, if it does not fit, what would."""
    wanted = network.neurons <= MOST_NEURONS if alternatives is None else alternatives
    return {
        **mapping.to_dict(),
        "busiest_cores": mapping.busiest(),
        "placement_cost": _cost(network, mapping, result),
        "alternatives": other_ways(network, mapping, progress=progress) if wanted else None,
        "smallest_system": None if mapping.fits else smallest_system(network, mapping, profiles),
        "check": check_mapping(network, mapping, progress=progress) if mapping.fits else [],
        "unchecked": unchecked(network, mapping) if mapping.fits else "not checked: it does not fit",
    }


def _cost(network: FixedNetwork, mapping: Mapping, result: Run | None) -> dict[str, Any]:
    spikes = "every neuron spikes once" if result is None else "those of the run, over all samples"
    known = {"how": mapping.places, "spikes": spikes}
    if len(mapping.cores) > MOST_CORES:
        return {**known, "hop_weighted_spikes": None, "spikes_across_chips": None}
    counts = None if result is None else {p.name: result.counts[p.name] for p in network.populations}
    between = traffic(network, mapping, counts)
    hops, crossing = hop_weighted(between, mapping), across_chips(between, mapping)
    return {**known, "hop_weighted_spikes": hops, "spikes_across_chips": crossing}
