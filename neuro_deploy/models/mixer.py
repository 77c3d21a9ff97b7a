"""The Mixer-SNN (arXiv 2306.12465): patch embedding, then mixers of a token and a channel block, per stage; a head.

State dicts of the official models load as they are: submodules bear the official names.
"""

from __future__ import annotations

import torch

from neuro_deploy.frontends.mixer_config import PRESETS, MixerConfig
from neuro_deploy.models.lif import LIF
from neuro_deploy.models.mixer_blocks import (
    Neuron,
    PatchCell,
    SpatialMean,
    TokenBlock,
    channel_block,
    convolution,
)

__all__ = ["PRESETS", "Mixer", "MixerConfig"]


class Mixer(torch.nn.Module):
    """A Mixer-SNN with direct coding: the same sample enters at every timestep.

    Per stage, with h the patch embedding's state and tok, ch the states of a mixer's token and channel block:

        x = LIF(h);  per mixer:  x = LIF(tok(x) [+ h: PT] [+ ch of the mixer before: CT])
                                 x = LIF(ch(x) [+ h: PC] [+ tok: TC])
    """

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.config = config
        neuron = (config.tau, config.v_threshold)
        stages, mixers = range(config.stages), list(config.mixers())
        self.to_patch_embedding = torch.nn.ModuleList(_embedding(config, stage, neuron) for stage in stages)
        self.to_patch_embedding_lif = torch.nn.ModuleList(LIF(*neuron) for _ in stages)
        self.token_mix = torch.nn.ModuleList(
            TokenBlock(
                config.channels(mixer.stage), config.grid(mixer.stage), neuron, extra=config.patch == "partition"
            )
            for mixer in mixers
        )
        self.token_mix_lif = torch.nn.ModuleList(LIF(*neuron) for _ in mixers)
        self.channel_mix = torch.nn.ModuleList(
            channel_block(
                config.channels(mixer.stage),
                config.hidden(mixer.stage),
                config.grid(mixer.stage),
                config.norm,
                neuron,
            )
            for mixer in mixers
        )
        self.channel_mix_lif = torch.nn.ModuleList(LIF(*neuron) for _ in mixers)
        self._add_head(config, neuron)

    def _add_head(self, config: MixerConfig, neuron: Neuron) -> None:
        channels, tokens = config.channels(config.stages - 1), config.tokens(config.stages - 1)
        if config.head == "mean":
            self.batch_norm = torch.nn.BatchNorm2d(channels)
        else:
            self.head_fc = torch.nn.Linear(tokens, tokens)
            self.head_bn = torch.nn.BatchNorm1d(tokens)
            self.head_lif = LIF(*neuron)
        self.mlp_head = torch.nn.Sequential(SpatialMean(), torch.nn.Linear(channels, config.classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (samples, in_channels, height, width) in model units. Returns logits (samples, classes), mean over T."""
        x = x[:, None].expand(-1, self.config.timesteps, -1, -1, -1)
        for stage in range(self.config.stages):
            x = self._stage(x, stage)
        logits: torch.Tensor = self.mlp_head(self._head(x)).mean(dim=1)
        return logits

    def _stage(self, x: torch.Tensor, stage: int) -> torch.Tensor:
        """x: the image or spikes of the stage before, (samples, T, C, H, W). Returns spikes of the last mixer."""
        skip = self.config.skip
        h = self.to_patch_embedding[stage](x)
        x = self.to_patch_embedding_lif[stage](h)
        before: torch.Tensor | None = None
        for mixer in self.config.mixers():
            if mixer.stage != stage:
                continue
            token = self.token_mix[mixer.index](x)
            state = token + h if "PT" in skip or mixer.first else token
            state = state + before if "CT" in skip and before is not None else state
            x = self.token_mix_lif[mixer.index](state)
            before = channel = self.channel_mix[mixer.index](x)
            channel = channel + h if "PC" in skip else channel
            channel = channel + token if "TC" in skip else channel
            x = self.channel_mix_lif[mixer.index](channel)
        return x

    def _head(self, x: torch.Tensor) -> torch.Tensor:
        """x: spikes (samples, T, C, H, W). Returns what the mean is taken of, of the same shape."""
        if self.config.head == "mean":
            return self.batch_norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # type: ignore[no-any-return]
        z = self.head_fc(x.flatten(3)).movedim(2, 3)  # (samples, T, tokens, C): one batch norm per token
        z = self.head_bn(z.flatten(0, 1)).unflatten(0, z.shape[:2])
        return self.head_lif(z.movedim(3, 2).unflatten(3, x.shape[3:]))  # type: ignore[no-any-return]


def _embedding(config: MixerConfig, stage: int, neuron: Neuron) -> torch.nn.Module:
    if stage == 0:
        return convolution(config.in_channels, config.dim, config.patch_size, config.patch_size)
    inputs, outputs = config.channels(stage - 1), config.channels(stage)
    if config.patch == "partition":
        return convolution(inputs, outputs, 2, 2)
    return PatchCell(inputs, outputs, neuron)
