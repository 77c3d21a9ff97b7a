"""The spiking MLP: linear, batch norm and LIF per hidden layer, and a linear readout averaged over time."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from neuro_deploy.models.lif import LIF


class SpikingLayer(torch.nn.Module):
    """Linear, BatchNorm over samples and timesteps together, LIF."""

    def __init__(self, inputs: int, outputs: int, tau: float, v_threshold: float) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(inputs, outputs)
        self.bn = torch.nn.BatchNorm1d(outputs)
        self.lif = LIF(tau, v_threshold)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (samples, T, inputs). Returns spikes (samples, T, outputs)."""
        z = self.bn(self.linear(x.flatten(0, 1))).unflatten(0, x.shape[:2])
        return self.lif(z)  # type: ignore[no-any-return]


class Readout(torch.nn.Module):
    """A linear layer whose output is averaged over the timesteps. It never spikes."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(inputs, classes)

    def forward(self, spikes: torch.Tensor) -> torch.Tensor:
        """spikes: (samples, T, inputs). Returns logits (samples, classes)."""
        logits: torch.Tensor = self.linear(spikes).mean(dim=1)
        return logits


class SpikingMLP(torch.nn.Module):
    """A spiking MLP with direct coding: the same sample enters at every timestep.

    widths: (inputs, hidden..., classes). Hidden layers are ``fc1``, ``fc2``, ...; the last is ``readout``.
    """

    def __init__(self, widths: Sequence[int], timesteps: int = 4, tau: float = 2.0, v_threshold: float = 1.0) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.timesteps = timesteps
        self.tau = tau
        self.v_threshold = v_threshold
        self.hidden = [f"fc{i}" for i in range(1, len(self.widths) - 1)]
        for name, inputs, outputs in zip(self.hidden, self.widths, self.widths[1:], strict=False):
            self.add_module(name, SpikingLayer(inputs, outputs, tau, v_threshold))
        self.readout = Readout(self.widths[-2], self.widths[-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (samples, ...) in model units. Returns logits (samples, classes), averaged over the timesteps."""
        spikes = x.flatten(1)[:, None].expand(-1, self.timesteps, -1)
        for name in self.hidden:
            spikes = self.get_submodule(name)(spikes)
        return self.readout(spikes)  # type: ignore[no-any-return]
