"""The blocks of a Mixer-SNN. Maps are (samples, T, C, H, W); all batch norms take samples and timesteps together.

Submodules bear the names of the official state dict. Spikes are 0 or 1; a state is what enters a LIF.
"""

from __future__ import annotations

import torch

from neuro_deploy.frontends.mixer_config import NODES, Norm
from neuro_deploy.models.lif import LIF

Neuron = tuple[float, float]
"""tau and v_threshold."""


class Normalised(torch.nn.Sequential):
    """Layers that know no time: samples and timesteps go through as one batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (samples, T, ...). Returns a state (samples, T, ...)."""
        y: torch.Tensor = super().forward(x.flatten(0, 1))  # type: ignore[no-untyped-call]
        return y.reshape(*x.shape[:2], *y.shape[1:])


def convolution(inputs: int, outputs: int, kernel: int, stride: int, padding: int = 0) -> Normalised:
    """Convolution without bias and batch norm per output channel."""
    conv = torch.nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return Normalised(conv, torch.nn.BatchNorm2d(outputs))


class PatchCell(torch.nn.Module):
    """Halves a map and doubles its channels by three connected nodes (paper, section 3.2).

        n1 = B1(x);  n2 = B2(x) + B12(LIF(n1));  n3 = B3(x) + n1 + B23(LIF(n2));  h = concat(n1, n2, n3)

    B1 to B3: 3x3 of stride 2; B12, B23: 3x3 of stride 1; each with a batch norm.
    """

    def __init__(self, inputs: int, outputs: int, neuron: Neuron) -> None:
        super().__init__()
        width = outputs // NODES
        self.cell2node = torch.nn.ModuleList(convolution(inputs, width, 3, 2, 1) for _ in range(NODES))
        self.node1_node2 = convolution(width, width, 3, 1, 1)
        self.node2_node3 = convolution(width, width, 3, 1, 1)
        self.lif = torch.nn.ModuleList(LIF(*neuron) for _ in range(NODES - 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: spikes (samples, T, inputs, H, W). Returns a state (samples, T, outputs, H/2, W/2)."""
        n1, n2, n3 = (node(x) for node in self.cell2node)
        n2 = n2 + self.node1_node2(self.lif[0](n1))
        n3 = n3 + n1 + self.node2_node3(self.lif[1](n2))
        return torch.cat((n1, n2, n3), dim=2)


class Move(torch.nn.Module):
    """Puts an axis (of height or width) where the channels were, and the channels where it was; its own inverse."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (samples, T, C, H, W). Returns (samples, T, H, C, W) for axis 3, (samples, T, W, C, H) for axis 4."""
        return x.movedim(self.axis, 2)


class Branch(torch.nn.Sequential):
    """A fully connected layer along height (axis 3) or width (axis 4), batch norm per output position, LIF."""

    def __init__(self, size: int, axis: int, neuron: Neuron) -> None:
        super().__init__(Move(axis), torch.nn.Conv2d(size, size, 1), torch.nn.BatchNorm2d(size), LIF(*neuron))
        self.axis = axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: spikes (samples, T, C, H, W). Returns spikes of the same shape."""
        move, linear, norm, lif = self
        moved = move(x)
        z = norm(linear(moved.flatten(0, 1))).unflatten(0, moved.shape[:2])
        return lif(z).movedim(2, self.axis)  # type: ignore[no-any-return]


class TokenBlock(torch.nn.Module):
    """Identity, height and width branches, concatenated and fused by a 1x1 convolution and batch norm.

    extra: the identity branch goes through a batch norm and a LIF of its own (MLP-S).
    """

    def __init__(self, channels: int, grid: tuple[int, int], neuron: Neuron, *, extra: bool) -> None:
        super().__init__()
        if extra:
            self.BN = torch.nn.BatchNorm2d(channels)
            self.activation = LIF(*neuron)
        self.extra = extra
        self.proj_w = Branch(grid[1], 4, neuron)
        self.proj_h = Branch(grid[0], 3, neuron)
        self.fuse = convolution(3 * channels, channels, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: spikes (samples, T, C, H, W). Returns a state of the same shape."""
        identity = self.activation(self.BN(x.flatten(0, 1)).unflatten(0, x.shape[:2])) if self.extra else x
        return self.fuse(torch.cat((identity, self.proj_h(x), self.proj_w(x)), dim=2))  # type: ignore[no-any-return]


class ChannelLayers(torch.nn.Module):
    """Two linear layers over the channels of each token, each with a batch norm, and a LIF between them."""

    def __init__(self, channels: int, hidden: int, tokens: int, norm: Norm, neuron: Neuron) -> None:
        super().__init__()
        self.norm = norm
        self.net = torch.nn.Sequential(
            torch.nn.Linear(channels, hidden),
            torch.nn.BatchNorm1d(tokens if norm == "token" else hidden),
            LIF(*neuron),
            torch.nn.Linear(hidden, channels),
            torch.nn.BatchNorm1d(tokens if norm == "token" else channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: spikes (samples, T, tokens, C). Returns a state of the same shape."""
        expand, norm1, lif, reduce, norm2 = self.net
        spikes = lif(self._normalised(norm1, expand(x)))
        return self._normalised(norm2, reduce(spikes))

    def _normalised(self, norm: torch.nn.Module, z: torch.Tensor) -> torch.Tensor:
        batch = 2 if self.norm == "token" else 3
        return norm(z.flatten(0, batch - 1)).unflatten(0, z.shape[:batch])  # type: ignore[no-any-return]


class ToTokens(torch.nn.Module):
    """(samples, T, C, H, W) -> (samples, T, H * W, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: a map."""
        return x.flatten(3).movedim(2, 3)


class ToMap(torch.nn.Module):
    """(samples, T, H * W, C) -> (samples, T, C, H, W)."""

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: tokens."""
        return x.movedim(3, 2).reshape(*x.shape[:2], x.shape[3], *self.grid)


def channel_block(channels: int, hidden: int, grid: tuple[int, int], norm: Norm, neuron: Neuron) -> torch.nn.Sequential:
    """Map to tokens, the channel layers, and back. Spikes (samples, T, C, H, W) in, a state of that shape out."""
    layers = ChannelLayers(channels, hidden, grid[0] * grid[1], norm, neuron)
    return torch.nn.Sequential(ToTokens(), layers, ToMap(grid))


class SpatialMean(torch.nn.Module):
    """(samples, T, C, H, W) -> (samples, T, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: a map."""
        return x.mean(dim=(3, 4))
