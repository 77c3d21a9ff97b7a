"""What came of a conversion, on samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

from neuro_deploy.engines.running import run
from neuro_deploy.network import FixedNetwork, Network
from neuro_deploy.passes import Conversion, differing, fidelity, warnings
from neuro_deploy.progress import Progress
from neuro_deploy.training.data import Data


@dataclass(frozen=True, eq=False)
class Networks:
    """The float network that was quantized; exact: the source's own, where gains are rounded in it, else None."""

    lowered: Network
    exact: Network | None
    fixed: FixedNetwork


def compared(conversion: Conversion, networks: Networks, data: Data, progress: Progress) -> Conversion:
    """The report with what came of it on samples."""
    network, exact, fixed = networks.lowered, networks.exact, networks.fixed
    wanted = run(network, data.x, record=("spikes",), progress=progress)
    got = run(fixed, data.x, record=("spikes",), progress=progress)
    truth = wanted if exact is None else run(exact, data.x, progress=progress)
    changed = differing(truth.predictions, got.predictions)
    shifted = None if exact is None else differing(truth.predictions, wanted.predictions)
    relays = any(population.kind == "relay" for population in network.populations)
    rows = fidelity(fixed, wanted.spikes, got.spikes)
    return replace(
        conversion,
        fidelity=rows,
        first_difference=next((row.name for row in rows if row.differing_spikes), None),
        accuracy_float=truth.accuracy(data.y),
        accuracy_fixed=got.accuracy(data.y),
        accuracy_shifted=None if exact is None else wanted.accuracy(data.y),
        differing_predictions=changed,
        differing_predictions_shifted=shifted,
        warnings=warnings(changed, shifted, got.samples, relays=relays),
    )
