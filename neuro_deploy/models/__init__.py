"""Torch modules to train: the LIF neuron, the spiking MLP and the Mixer-SNN."""

from neuro_deploy.models.lif import LIF, SigmoidSpike
from neuro_deploy.models.mixer import PRESETS, Mixer, MixerConfig
from neuro_deploy.models.mlp import SpikingMLP

__all__ = ["LIF", "PRESETS", "Mixer", "MixerConfig", "SigmoidSpike", "SpikingMLP"]
