"""The limits of a profile, beside what a mapping asks of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.cost import CORE_RESOURCES
from neuro_deploy.mapping.types import Core, Limit
from neuro_deploy.network import FixedNetwork
from neuro_deploy.network.bounds import largest_spike


def limits_of(network: FixedNetwork, profile: HardwareProfile, cores: Sequence[Core], chips: int) -> tuple[Limit, ...]:
    """Every limit of the profile, and the most that a core, the network or the system asks of it."""
    limits: list[Limit] = []
    for resource in CORE_RESOURCES:
        quantity = profile.quantities.get(f"core.{resource}")
        if quantity is not None and cores:
            worst = max(cores, key=lambda core: core.used[resource])
            used, where = worst.used[resource], f"one core of {worst.population}"
            limits.append(Limit(resource, quantity.unit, int(quantity.value), used, where, quantity.source))
    apart = [population for population in network.computed if population.threshold.ndim]
    if apart and "core.thresholds" not in profile.quantities:
        most = max(len(np.unique(population.threshold)) for population in apart)
        source = "no public figure says whether neurons of one core may differ in their threshold"
        limits.append(Limit("thresholds", "thresholds", None, most, apart[0].name, source))
    limits.append(_payload(network, profile))
    system = profile.quantities["system.chips"]
    limits.append(Limit("chips", system.unit, int(system.value), chips, "the network", system.source))
    return tuple(limits)


def _payload(network: FixedNetwork, profile: HardwareProfile) -> Limit:
    """The widest payload: the magnitude of graded input, or of what a relay can send."""
    sent = {p.name: largest_spike(network, p.name) for p in network.populations if p.kind == "relay"}
    if network.encoding.mode == "graded":
        sent = {network.entry: int(network.encoding.levels), **sent}
    widest = max(sent, key=lambda name: sent[name], default=None)
    bits = sent[widest].bit_length() if widest else 0
    quantity = profile.quantities["spike.payload_bits"]
    where = f"spikes of {widest or 'every projection'}"
    hint = _payload_hint(network, profile, [name for name in sent if sent[name].bit_length() > quantity.value])
    return Limit("payload_bits", quantity.unit, int(quantity.value), bits, where, quantity.source, hint)


def _payload_hint(network: FixedNetwork, profile: HardwareProfile, wide: Sequence[str]) -> str | None:
    """How a network gets rid of the spikes whose payload is too wide: of these populations."""
    options = []
    for name in wide:
        onto = [p for p in network.projections if p.source == name]
        if network.population(name).kind == "relay":
            avoidable, option = all(p.weight.size == 1 for p in onto), "--skip recompute"
        else:
            first = network.population(onto[0].target)
            alone = len(onto) == len(network.inputs_of(first.name)) == 1
            avoidable = alone and onto[0].geometry.kind == "dense" and first.kind == "lif"
            option = "--input bias"
        if not avoidable:
            kind = "relays" if network.population(name).kind == "relay" else "the input"
            return f"{kind} of this network must send graded spikes, which {profile.name} does not carry: use loihi2"
        options.append(option)
    return f"neuro-deploy convert {' '.join(dict.fromkeys(options))} sends no graded spikes" if options else None
