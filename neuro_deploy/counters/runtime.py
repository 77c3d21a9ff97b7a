"""How long a timestep takes: a model, and the loads that it rests on.

    seconds(t) = barrier + max over cores and links of  cost * load(t)

with four loads: neuron updates, synops and words of synaptic memory of a core, messages of a link. The form is the
max-affine model of arXiv:2601.10035; costs come from the profile, which says where from. Where the barrier or all costs
are unknown there is no time, only the loads of the busiest core and link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuro_deploy.counters.links import Links
from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.numerics.registers import IntArray

TERMS = {
    "neuron_update": "neuron_updates",
    "synop": "synops",
    "memory_read": "memory_reads",
    "link_message": "link_messages",
}
"""Cost in a profile's [time] -> the load that it is of; also the column of a file of measurements."""


def runtime(
    profile: HardwareProfile, loads: Mapping[str, IntArray], links: Links | None, samples: int
) -> dict[str, Any]:
    """Loads of the busiest core and link in each timestep, means over the samples, and the modelled time.

    loads: name -> (cores, T), see ``counts.loads``.
    """
    busiest = {what: _busiest_core(each, samples) for what, each in loads.items()}
    if links is not None and len(links.x):
        busiest["link_messages"] = _busiest_link(links.messages, links, samples)
        busiest["link_bits"] = _busiest_link(links.bits, links, samples)
    return {**_seconds(profile, busiest), "busiest_core": busiest}


def _busiest_core(loads: IntArray, samples: int) -> dict[str, Any]:
    return {
        "core": int(np.argmax(loads.sum(axis=1))),
        "per_timestep": (loads.max(axis=0) / samples).tolist(),
        "cores": loads.argmax(axis=0).tolist(),
    }


def _busiest_link(loads: IntArray, links: Links, samples: int) -> dict[str, Any]:
    return {
        "link": links.name(int(np.argmax(loads.sum(axis=1)))),
        "per_timestep": (loads.max(axis=0) / samples).tolist(),
        "links": [links.name(int(link)) for link in loads.argmax(axis=0)],
    }


def _seconds(profile: HardwareProfile, busiest: dict[str, Any]) -> dict[str, Any]:
    costs = {term: profile.get(f"time.{term}") for term in TERMS}
    known = {term: cost for term, cost in costs.items() if cost is not None and TERMS[term] in busiest}
    barrier = profile.get("time.barrier")
    model = {"model": "seconds = barrier + the largest cost * load over cores and links; not measured"}
    if barrier is None or not known:
        reason = "no public time coefficients; a timestep is as long as its busiest core needs (fit-time fits them)"
        return {**model, "seconds_per_timestep": None, "seconds_per_sample": None, "reason": reason}
    spent = np.array([np.array(busiest[TERMS[term]]["per_timestep"]) * cost for term, cost in known.items()])
    binding = [list(known)[row] for row in spent.argmax(axis=0)]
    seconds = (barrier + spent.max(axis=0)).tolist()
    return {
        **model,
        "seconds_per_timestep": float(np.mean(seconds)),
        "seconds_per_sample": float(np.sum(seconds)),
        "per_timestep": [
            {"seconds": time, "bound_by": term, **_where(busiest[TERMS[term]], step)}
            for step, (time, term) in enumerate(zip(seconds, binding, strict=True))
        ],
        "left_out": [term for term in TERMS if term not in known],
        "coefficients": {
            name: {"value": quantity.value, "unit": quantity.unit, "source": quantity.source}
            for name in ("barrier", *known)
            if (quantity := profile.quantities[f"time.{name}"])
        },
    }


def _where(busy: dict[str, Any], step: int) -> dict[str, Any]:
    return {"core": busy["cores"][step]} if "cores" in busy else {"link": busy["links"][step]}
