"""What quantization gives, with the real numbers that it was rounded from."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_deploy.network import FixedNetwork
from neuro_deploy.passes.fixing import Synapses
from neuro_deploy.passes.levels import FloatArray
from neuro_deploy.passes.report import QuantizedPopulation


@dataclass(frozen=True, eq=False)
class Quantized:
    """What quantization gives. synapses: of every projection of the network, in its order. biases: real, by name.

    reports: what was done to each population.
    """

    network: FixedNetwork
    reports: tuple[QuantizedPopulation, ...]
    synapses: tuple[Synapses, ...]
    biases: dict[str, FloatArray]
