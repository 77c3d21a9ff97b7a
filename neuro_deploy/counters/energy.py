"""Energy models: published coefficients times counts. Nothing here is measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuro_deploy.counters.counts import Counts
from neuro_deploy.counters.links import DIRECTIONS, Links
from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping import Mapping
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import IntArray

ADDITION = 0.9e-12
"""Joules of a 32-bit floating-point addition, 45 nm. Source: the paper, after Horowitz, ISSCC 2014."""
MULTIPLY_ACCUMULATE = 4.6e-12
"""Joules of a 32-bit floating-point multiply-accumulate, 45 nm. Source: as above."""


def energy(
    network: FixedNetwork,
    counts: Counts,
    samples: int,
    mapping: Mapping,
    *,
    links: Links | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Model name -> joules per sample, with the operations and coefficients that give them, per core and population.

    links: messages on the mesh, if they were counted. seconds: of a sample, if a model of time gives it.
    """
    return {
        "paper_45nm": _paper(network, counts, samples, mapping),
        mapping.profile.name: _chip(counts, samples, mapping, links, seconds),
    }


def _paper(network: FixedNetwork, counts: Counts, samples: int, mapping: Mapping) -> dict[str, Any]:
    """The paper's model; a first layer that the host computes (input by bias) counts once per sample, as there."""
    host = network.encoding.multiplications * samples if network.encoding.mode == "bias" else 0
    added = counts.total("synops_effective") - counts.total("multiplied")
    multiplied = counts.total("multiplied") + host
    of_core = (counts.synops_effective - counts.multiplied).sum(axis=1) * ADDITION
    of_core = of_core + counts.multiplied.sum(axis=1) * MULTIPLY_ACCUMULATE
    return {
        "joules_per_sample": (added * ADDITION + multiplied * MULTIPLY_ACCUMULATE) / samples,
        "additions": added,
        "multiply_accumulates": multiplied,
        "multiply_accumulates_of_the_host": host,
        "coefficients": {"addition": ADDITION, "multiply_accumulate": MULTIPLY_ACCUMULATE},
        "source": "arXiv:2306.12465: 0.9 pJ an addition, 4.6 pJ a multiply-accumulate (45 nm)",
        "kind": "model, not measured",
        "basis": "what the run counted: the input at every timestep, head and residuals too; the paper's own "
        "estimate (inspect --mfi) takes the input once per image and s T A additions",
        **_shares(of_core / samples, mapping),
    }


def _chip(counts: Counts, samples: int, mapping: Mapping, links: Links | None, seconds: float | None) -> dict[str, Any]:
    """The profile's own coefficients: the dynamic part by synops, updates and messages, and the static part apart."""
    profile = mapping.profile
    synop, update = profile.get("energy.synop"), profile.get("energy.neuron_update")
    static = _static(profile, mapping.chips, seconds)
    if synop is None or update is None:
        reason = f"no public coefficients for {profile.title}"
        return {"joules_per_sample": None, "reason": reason, "static": static}
    updates = counts.neuron_updates.sum(axis=1)
    parts = {"synops": counts.synops.sum(axis=1) * synop, "neuron_updates": updates * update}
    messages = _messages(profile, links)
    spent = sum(parts.values()) / samples
    dynamic = float(spent.sum()) + sum(messages.values()) / samples
    idle = profile.get("energy.neuron_update_inactive")
    lowest = None if idle is None else dynamic - float(updates.sum()) * (update - idle) / samples
    return {
        "joules_per_sample": dynamic,
        "lowest_joules_per_sample": lowest,
        "dynamic": {name: float(values.sum()) / samples for name, values in parts.items()}
        | {name: value / samples for name, value in messages.items()},
        "messages_counted": links is not None,
        "static": static,
        "coefficients": dict(_coefficients(profile).items()),
        "source": profile.quantities["energy.synop"].source,
        "kind": "model of the dynamic part, not measured",
        "assumed": "every neuron counts as active in every timestep; lowest: as inactive",
        **_shares(spent, mapping),
    }


def _coefficients(profile: HardwareProfile) -> dict[str, dict[str, Any]]:
    return {key.removeprefix("energy."): vars(q) for key, q in profile.quantities.items() if key.startswith("energy.")}


def _messages(profile: HardwareProfile, links: Links | None) -> dict[str, float]:
    """Joules of messages within tiles and from tile to tile, where they were counted and the profile knows them."""
    if links is None:
        return {}
    loads = links.messages.sum(axis=1)
    across = np.isin(links.direction, [DIRECTIONS.index("east"), DIRECTIONS.index("west")])
    counted = {
        "spike_in_tile": int(links.within.sum()),
        "hop_east_west": int(loads[across].sum()),
        "hop_north_south": int(loads[~across].sum()),
    }
    costs = {name: profile.get(f"energy.{name}") for name in counted}
    return {name: counted[name] * cost for name, cost in costs.items() if cost is not None}


def _static(profile: HardwareProfile, chips: int, seconds: float | None) -> dict[str, Any]:
    """Power that flows without a spike, times the modelled time."""
    power = profile.get("energy.static_power")
    if power is None:
        return {"joules_per_sample": None, "reason": "no public figure of static power"}
    known = {"watts_per_chip": power, "chips": chips, "source": profile.quantities["energy.static_power"].source}
    if seconds is None:
        return {"joules_per_sample": None, "reason": "needs the time of a sample, which is not known", **known}
    return {"joules_per_sample": power * chips * seconds, **known}


def _shares(joules: IntArray, mapping: Mapping) -> dict[str, Any]:
    """Per core, and per population. joules: (cores,), per sample."""
    of = {name: float(joules[rows].sum()) for name, rows in mapping.rows.items()}
    return {"per_core": [float(value) for value in joules], "per_population": of}
