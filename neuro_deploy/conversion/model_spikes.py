"""The torch model of a checkpoint, run: spikes of its LIF modules, by name, in the layout of populations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neuro_deploy.frontends.checkpoint import FORMAT, load_content, own_checkpoint
from neuro_deploy.frontends.mixer_config import MixerConfig
from neuro_deploy.frontends.official import official_checkpoint
from neuro_deploy.models import LIF, Mixer, SpikingMLP
from neuro_deploy.network import Network

Array = npt.NDArray[Any]
BATCH = 64
"""Samples that are run at a time: bounds the memory."""


@dataclass(frozen=True, eq=False)
class ModelRun:
    """spikes, z: population -> (samples, T, *shape), of the populations that the network has. outputs: logits.

    thresholds: of the LIF modules, in the model's unit.
    """

    spikes: dict[str, Array]
    z: dict[str, Array]
    outputs: Array
    thresholds: dict[str, float]


def source_model(path: str | Path, timesteps: int) -> torch.nn.Module:
    """The torch model of a checkpoint, for inference, in float32 as it was trained.

    Raises:
        as ``checkpoint_graph``, which reads the same.
    """
    path = Path(path)
    content = load_content(path)
    if isinstance(content, dict) and content.get("format") == FORMAT:
        checkpoint = own_checkpoint(path, content)
        config = {**checkpoint.config, "timesteps": timesteps}
        made: torch.nn.Module = (
            SpikingMLP(**config) if checkpoint.model == "mlp" else Mixer(MixerConfig.from_dict(config))
        )
        state = checkpoint.state
    else:
        tensors, official, _ = official_checkpoint(path, content)
        made, state = Mixer(MixerConfig.from_dict({**official.to_dict(), "timesteps": timesteps})), tensors.state
    made.load_state_dict({name: torch.as_tensor(tensor) for name, tensor in state.items()}, strict=False)
    return made.eval()


def run_model(model: torch.nn.Module, network: Network, x: Array) -> ModelRun:
    """Run samples, as ``network.encoding`` takes them. network: the float network of the same checkpoint."""
    shapes = {p.name: p.shape for p in network.populations if p.kind == "lif"}
    kept: dict[str, dict[str, list[Array]]] = {"spikes": {}, "z": {}}

    def keep(name: str, _module: torch.nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        for what, tensor in (("z", given[0]), ("spikes", out)):
            kept[what].setdefault(name, []).append(_as_map(name, tensor.numpy(), shapes[name]))

    hooks = [
        module.register_forward_hook(partial(keep, name))
        for name, module in model.named_modules()
        if isinstance(module, LIF) and name in shapes
    ]
    units = torch.tensor(network.encoding.model_units(x).reshape(-1, *network.encoding.shape), dtype=torch.float32)
    with torch.inference_mode():
        outputs = np.concatenate([model(part).numpy() for part in torch.split(units, BATCH)])
    for hook in hooks:
        hook.remove()
    spikes, z = ({name: np.concatenate(parts) for name, parts in kept[what].items()} for what in ("spikes", "z"))
    thresholds = {name: module.v_threshold for name, module in model.named_modules() if isinstance(module, LIF)}
    return ModelRun(spikes, z, outputs, thresholds)


def _as_map(module: str, array: Array, shape: tuple[int, ...]) -> Array:
    """(samples, T, ...) as each module has it, as (samples, T, *shape)."""
    if array.ndim == 4 and len(shape) == 3:  # (samples, T, tokens, channels)
        array = np.moveaxis(array, 3, 2)
    elif ".proj_" in module:  # the branch's own axis comes first
        array = np.moveaxis(array, 2, 3 if ".proj_h." in module else 4)
    return array.reshape(*array.shape[:2], *shape).copy()
