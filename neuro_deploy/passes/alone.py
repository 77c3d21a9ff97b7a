"""Every population of a fixed network on its own: fed what the float network sends, compared with the float one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.network import FixedNetwork, Network, state_bounds
from neuro_deploy.passes.calibrate import Calibration
from neuro_deploy.passes.trial import synaptic_sums, tried


def alone(network: Network, fixed: FixedNetwork, x: npt.NDArray[Any]) -> dict[str, float]:
    """Share of differing spikes of every LIF population that no relay feeds, where none before it errs.

    What a network loses in all is this, and what one other spike changes behind it: in a random network, many. x:
    samples as the encoding takes them, graded. Those that relays feed get values, which are rounded before them.
    """
    calibration = Calibration(network, x)
    bounds, relays = state_bounds(fixed), {p.name for p in fixed.populations if p.kind == "relay"}
    sent = {name: np.asarray(target.sent) for name, target in calibration.targets.items()}
    sent[fixed.entry] = calibration.inputs
    found = {}
    for population in fixed.computed:
        inputs = fixed.inputs_of(population.name)
        if population.kind == "lif" and not any(p.source in relays for p in inputs):
            sums = synaptic_sums(population.neurons, inputs, sent, bounds[population.name].a_in)
            outcome = tried(population, sums, None, fixed.timesteps)
            found[population.name] = float(np.mean(outcome.sent != sent[population.name]))
    return found
