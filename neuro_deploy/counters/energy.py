"""Energy models: published coefficients times counts. Nothing here is measured."""

from __future__ import annotations

from typing import Any

from neuro_deploy.counters.counts import Counts
from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.network import FixedNetwork

ADDITION = 0.9e-12
"""Joules of a 32-bit floating-point addition, 45 nm. Source: the paper, after Horowitz, ISSCC 2014."""
MULTIPLY_ACCUMULATE = 4.6e-12
"""Joules of a 32-bit floating-point multiply-accumulate, 45 nm. Source: as above."""


def energy(network: FixedNetwork, counts: Counts, samples: int, profile: HardwareProfile) -> dict[str, Any]:
    """Model name -> joules per sample, with the operations and coefficients that give them.

    The paper's model counts a first layer that the host computes (input by bias) once per sample, as the paper does.
    """
    host = network.encoding.multiplications * samples if network.encoding.mode == "bias" else 0
    added = counts.total("synops_effective") - counts.total("multiplied")
    multiplied = counts.total("multiplied") + host
    models: dict[str, Any] = {
        "paper_45nm": {
            "joules_per_sample": (added * ADDITION + multiplied * MULTIPLY_ACCUMULATE) / samples,
            "additions": added,
            "multiply_accumulates": multiplied,
            "multiply_accumulates_of_the_host": host,
            "coefficients": {"addition": ADDITION, "multiply_accumulate": MULTIPLY_ACCUMULATE},
            "source": "arXiv:2306.12465: 0.9 pJ an addition, 4.6 pJ a multiply-accumulate (45 nm)",
            "kind": "model, not measured",
            "basis": "what the run counted: the input at every timestep, head and residuals too; the paper's own "
            "estimate (inspect --mfi) takes the input once per image and s T A additions",
        }
    }
    synop, update = profile.get("energy.synop"), profile.get("energy.neuron_update")
    if synop is None or update is None:
        models[profile.name] = {"joules_per_sample": None, "reason": f"no public coefficients for {profile.title}"}
    else:
        joules = counts.total("synops") * synop + counts.total("neuron_updates") * update
        models[profile.name] = {
            "joules_per_sample": joules / samples,
            "coefficients": {"synop": synop, "neuron_update": update},
            "source": profile.quantities["energy.synop"].source,
            "kind": "model of the dynamic part, not measured",
        }
    return models
