"""What else a network could cost: weights shared or not, fewer bits, residuals by relays or computed anew; and the
smallest system that would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.mapper import Choice, map_network
from neuro_deploy.mapping.types import Mapping
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.progress import Progress, silent

BITS = (8, 6, 4)
"""Bits of a stored weight that are compared."""
MOST_PROJECTIONS = 5000
"""More of them than these are not made anew for every neuron that needs a sum."""
PARTS = ("core", "synapse", "sharing", "numbers", "spike")
"""Tables of a profile that decide on how many cores a network stands."""


def alternatives(network: FixedNetwork, mapping: Mapping, *, progress: Progress = silent) -> list[dict[str, Any]]:
    """Rows of "name", "cores", "chips", "fits", each mapped as this one but for what the name says.

    Bits: what weights of so many bits would cost; whether accuracy survives them, only converting anew tells.
    """
    profile = mapping.profile
    chosen = Choice(mapping.shared, mapping.weight_bits, "compiler" if mapping.cut == "compiler" else "fewest")
    ways: dict[str, tuple[FixedNetwork, Choice]] = {}
    if profile.shares:
        ways["weights shared"] = network, replace(chosen, shared=True)
    ways["weights of each position stored"] = network, replace(chosen, shared=False)
    if profile.get("numbers.weight_bits"):
        ways |= {f"weights of {bits} bits": (network, replace(chosen, weight_bits=bits)) for bits in BITS}
    anew = recomputed(network)
    if anew is not None:
        ways["residuals by relays"] = network, chosen
        ways["residuals computed anew"] = anew, chosen
    found = []
    for place, (name, (made, choice)) in enumerate(ways.items()):
        progress("alternatives", place, len(ways))
        same = made is network and choice == chosen
        other = mapping if same else map_network(made, profile, choice)
        found.append({"name": name, "cores": len(other.cores), "chips": other.chips, "fits": other.fits})
    progress("alternatives", len(ways), len(ways))
    return found


def recomputed(network: FixedNetwork) -> FixedNetwork | None:
    """The synapses that there are if every relay's sum is made anew where it is needed; None where that is no option.

    It is one where relays pass their sum on as it is: by one-to-one synapses of one weight onto whole populations. Only
    the pattern of synapses is right, for counting cores: weights and biases are not scaled.
    """
    relays = {p.name for p in network.populations if p.kind == "relay"}
    if not relays or network.populations[0].name in relays or network.encoding.mode == "bias":
        return None
    into: dict[str, list[FixedProjection]] = {p.name: [] for p in network.populations}
    for projection in network.projections:
        into[projection.target].append(projection)
    plain: dict[str, list[FixedProjection]] = {}
    for population in network.separated.populations:
        name = population.name.rpartition("#")[0] or population.name
        if name in plain or name not in into:
            continue
        made = []
        for projection in into[name]:
            if projection.source not in relays:
                made.append(projection)
            elif _passes_on(projection) and projection.source in plain:
                made += [replace(given, target=name) for given in plain[projection.source]]
            else:
                return None
        plain[name] = made
    kept = tuple(p for p in network.populations if p.name not in relays)
    projections = tuple(projection for p in kept for projection in plain.get(p.name, ()))
    if len(projections) > MOST_PROJECTIONS:
        return None
    try:
        return replace(network, populations=kept, projections=projections)
    except UnsupportedError:
        return None


def _passes_on(projection: FixedProjection) -> bool:
    geometry = projection.geometry
    windows = geometry.source_channels, geometry.target_channels
    return geometry.kind == "one-to-one" and projection.weight.ndim == 0 and windows == (None, None)


def smallest_system(
    network: FixedNetwork, mapping: Mapping, profiles: Sequence[HardwareProfile]
) -> dict[str, Any] | None:
    """The smallest of these systems that takes the network: {"profile", "cores", "chips", "system_chips"}; or None."""
    chosen = Choice(True, mapping.weight_bits, "compiler" if mapping.cut == "compiler" else "fewest")
    for profile in sorted(profiles, key=_size):
        if profile.name == mapping.profile.name:
            continue
        same = _of_cores(profile) == _of_cores(mapping.profile) and mapping.shared == profile.shares
        if same and any(not limit.holds for limit in mapping.limits if limit.resource != "chips"):
            continue
        cores = len(mapping.cores)
        chips, fits = -(-cores // profile.whole("system.cores_per_chip")), True
        if not same:
            other = map_network(network, profile, chosen)
            cores, chips, fits = len(other.cores), other.chips, other.fits
        if fits and chips <= profile.whole("system.chips"):
            size = profile.whole("system.chips")
            return {"profile": profile.name, "cores": cores, "chips": chips, "system_chips": size}
    return None


def _size(profile: HardwareProfile) -> int:
    return profile.whole("system.chips") * profile.whole("system.cores_per_chip")


def _of_cores(profile: HardwareProfile) -> dict[str, float]:
    return {name: q.value for name, q in profile.quantities.items() if name.split(".")[0] in PARTS}
