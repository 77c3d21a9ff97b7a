"""Torch modules to train: the LIF neuron and the spiking MLP."""

from neuro_deploy.models.lif import LIF, SigmoidSpike
from neuro_deploy.models.mlp import SpikingMLP

__all__ = ["LIF", "SigmoidSpike", "SpikingMLP"]
