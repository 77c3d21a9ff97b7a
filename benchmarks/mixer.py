"""A Mixer-SNN with random weights that fires as often as a trained one: as a checkpoint and as a fixed network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

import neuro_deploy as nd
from neuro_deploy.frontends.checkpoint import save_checkpoint
from neuro_deploy.frontends.mixer_config import PRESETS
from neuro_deploy.models import Mixer
from neuro_deploy.network import FixedNetwork

LEVELS = 255
"""Of a pixel: 0 to 1 in model units."""
BETA = 0.3
"""Of all batch norms, all gains 1: some 14 % of the neurons of mlp-spe-t then spike (arXiv 2306.12465, section 4.4)."""
CALIBRATED = 2
"""Images from which batch norms take their means and variances."""


def images(preset: str, samples: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Random pixels: (samples, channels, height, width)."""
    config = PRESETS[preset]
    shape = (samples, config.in_channels, *config.image)
    return np.random.default_rng(seed).integers(0, LEVELS + 1, shape, dtype=np.uint8)


def checkpoint(folder: Path, preset: str) -> Path:
    """A checkpoint of ours, made once per folder."""
    path = folder / f"{preset}.pt"
    if not path.exists():
        torch.manual_seed(0)
        model = Mixer(PRESETS[preset]).train()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.momentum = 1.0
                torch.nn.init.constant_(module.bias, BETA)
        with torch.no_grad():
            model(torch.tensor(images(preset, CALIBRATED, seed=1)) / LEVELS)
        config = PRESETS[preset]
        entry = {"shape": [config.in_channels, *config.image], "scale": 1 / LEVELS, "low": 0.0, "levels": LEVELS}
        content = {"model": "mixer", "config": config.to_dict(), "input": entry, "training": {}}
        save_checkpoint(path, {**content, "state_dict": model.state_dict()})
    return path


def fixed_file(folder: Path, preset: str) -> Path:
    """The fixed network of ``checkpoint`` as a NetX graph, made once per folder."""
    path = folder / f"{preset}.net"
    if not path.exists():
        nd.save(nd.convert(checkpoint(folder, preset))[0], path)
    return path


def fixed(folder: Path, preset: str) -> FixedNetwork:
    """The fixed network of ``checkpoint``."""
    return nd.load(fixed_file(folder, preset))
