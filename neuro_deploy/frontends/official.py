"""State dicts of the official Mixer-SNN: wrapped keys made plain, the configuration read off the shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from neuro_deploy.errors import FormatError, UnsupportedError, UsageError
from neuro_deploy.frontends.checkpoint import WRAPPERS, Checkpoint, checked_state
from neuro_deploy.frontends.mixer_config import MAX_MIXERS, MAX_STAGES, MixerConfig, Norm
from neuro_deploy.frontends.mixer_keys import COUNTER, tensor_shapes
from neuro_deploy.graph import Input

TIMESTEPS = 4
"""Of the paper's models; a state dict does not tell them."""
INPUT_SCALE, INPUT_LEVELS = 0.05, 127
"""A state dict tells nothing of its samples: signed values up to 6.35, which holds normalised images."""
STARTS = ("to_patch_embedding.", "token_mix.", "channel_mix.")
_RELEASED = "names and shapes must be those of the released Mixer-SNN: save the state_dict() of the whole model"
STATISTICS = ("running_mean", "running_var", COUNTER)


def is_official(content: Any) -> bool:
    """Whether this is a state dict of a Mixer-SNN, bare or as ``model`` or ``state_dict`` of a dict."""
    state = _unpacked(content)
    return isinstance(state, Mapping) and any(str(key).removeprefix("module.").startswith(STARTS) for key in state)


def official_checkpoint(path: Path, content: Any) -> tuple[Checkpoint, MixerConfig, int]:
    """The tensors by plain key, the configuration, and the timesteps (of temporal batch norms, else TIMESTEPS).

    Raises:
        FormatError: tensors that are broken, or of shapes that make no Mixer-SNN.
        UnsupportedError: normalisation that does not fold into anything.
    """
    state = _plain_keys(path, checked_state(path, _unpacked(content)))
    _refuse_layer_norm(path, state)
    timesteps = _fold_temporal(path, state)
    return Checkpoint(path, "mixer", {}, {}, state), official_config(path, state), timesteps


def official_input(config: MixerConfig) -> Input:
    """Signed samples of the model's shape."""
    return Input((config.in_channels, *config.image), INPUT_SCALE, 0.0, INPUT_LEVELS, first=-INPUT_LEVELS)


def official_config(path: Path, state: Mapping[str, torch.Tensor]) -> MixerConfig:
    """The configuration that the tensors' shapes tell; skips are the paper's.

    Raises:
        FormatError: a tensor missing that tells it, or a configuration that no model has.
    """
    dim, channels, patch, _ = _shape(path, state, "to_patch_embedding.0.0.weight", 4)
    rows = _shape(path, state, "token_mix.0.proj_h.1.weight", 4)[0]
    columns = _shape(path, state, "token_mix.0.proj_w.1.weight", 4)[0]
    hidden, inputs = _shape(path, state, "channel_mix.0.1.net.0.weight", 2)
    parted = "token_mix.0.BN.weight" in state or "to_patch_embedding.1.0.weight" in state
    spiking = "head_fc.weight" in state
    try:
        return MixerConfig(
            image_size=(rows * patch, columns * patch),
            in_channels=channels,
            patch_size=patch,
            dim=dim,
            depths=_depths(path, state, dim),
            alpha=hidden // max(1, inputs),
            classes=_shape(path, state, "mlp_head.1.weight", 2)[0],
            norm=_norm(state),
            head="spiking" if spiking else "mean",
            patch="partition" if parted else "cell",
        )
    except UsageError as error:
        raise FormatError(f"makes no Mixer-SNN: {error.what}", where=str(path), hint=error.hint) from error


def check_fit(path: Path, state: Mapping[str, torch.Tensor], config: MixerConfig) -> None:
    """Compare all keys and shapes with what the configuration wants.

    Raises:
        FormatError: missing keys, keys too many, other shapes; the first three of each, and how many.
    """
    shapes = tensor_shapes(config)
    missing = [key for key in shapes if key not in state and not key.endswith(COUNTER)]
    unexpected = [key for key in state if key not in shapes]
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {shape}"
        for key, shape in shapes.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": wrong}
    found = [f"{len(keys)} {kind} ({_first(keys)})" for kind, keys in kinds.items() if keys]
    if found:
        raise FormatError(
            f"tensors do not fit a Mixer-SNN of dim {config.dim}, depths {list(config.depths)}: {'; '.join(found)}",
            where=str(path),
            hint=_RELEASED,
        )


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")


def _unpacked(content: Any) -> Any:
    """The state dict itself."""
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            return content[wrapper]
    return content


def _plain_keys(path: Path, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without ``module.`` of parallel training, ``.0`` of synchronised and ``.bn`` of temporal batch norms."""
    prefix = "module." if all(key.startswith("module.") for key in state) else ""
    named = {key.removeprefix(prefix): value for key, value in state.items()}
    norms = {key.removesuffix(".running_mean") for key in named if key.endswith(".running_mean")}
    plain: dict[str, torch.Tensor] = {}
    for key, value in named.items():
        owner, _, last = key.rpartition(".")
        wrapped = owner in norms or last == "scale"
        name = re.sub(r"(\.0|\.bn)+$", "", owner) + f".{last}" if wrapped else key
        if name in plain:
            raise FormatError(f"is there twice, once as {key}", where=f"{path}:{name}")
        plain[name] = value
    return plain


def _refuse_layer_norm(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    for key in state:
        owner, _, last = key.rpartition(".")
        bias = state.get(f"{owner}.bias")
        if last != "weight" or bias is None or bias.shape != state[key].shape:
            continue
        if not any(f"{owner}.{statistic}" in state for statistic in STATISTICS):
            raise UnsupportedError(
                f"is a layer norm (gain and offset of shape {tuple(bias.shape)}, no running statistics): its mean and "
                "variance depend on each sample, so it folds into no weights",
                where=f"{path}:{owner}",
                hint="train the variant with batch norms",
            )


def _fold_temporal(path: Path, state: dict[str, torch.Tensor]) -> int:
    """Take the scale per timestep of temporal batch norms into gain and offset. Returns the timesteps."""
    timesteps = TIMESTEPS
    for owner in [key.removesuffix(".scale") for key in state if key.endswith(".scale")]:
        where, scale = f"{path}:{owner}.scale", state.pop(f"{owner}.scale").to(torch.float64)
        if scale.ndim != 1 or not len(scale) or not bool(torch.isfinite(scale).all()):
            raise FormatError(f"has shape {tuple(scale.shape)}; one finite factor per timestep is wanted", where=where)
        if not torch.equal(scale, scale[:1].expand_as(scale)):
            raise UnsupportedError(
                f"a temporal batch norm with other factors at other timesteps ({scale.min():g} to {scale.max():g}): "
                "the neurons' leak mixes timesteps, so one weight set per timestep would be needed",
                where=where,
                hint="train the variant with one batch norm for all timesteps",
            )
        for key in (f"{owner}.weight", f"{owner}.bias"):
            if key in state:
                state[key] = state[key].to(torch.float64) * scale[0]
        timesteps = len(scale)
    return timesteps


def _shape(path: Path, state: Mapping[str, torch.Tensor], key: str, axes: int) -> tuple[int, ...]:
    if key not in state:
        raise FormatError("is missing from the state dict", where=f"{path}:{key}", hint=_RELEASED)
    shape = tuple(state[key].shape)
    if len(shape) != axes or min(shape) < 1:
        raise FormatError(f"has shape {shape}; {axes} axes are wanted", where=f"{path}:{key}", hint=_RELEASED)
    return shape


def _count(state: Mapping[str, torch.Tensor], start: str) -> int:
    found = [re.match(rf"{re.escape(start)}\.(\d{{1,6}})\.", key) for key in state]
    return max((int(match[1]) + 1 for match in found if match), default=0)


def _depths(path: Path, state: Mapping[str, torch.Tensor], dim: int) -> tuple[int, ...]:
    """Mixers per stage, from the channels of their fuse convolutions."""
    stages, mixers = _count(state, "to_patch_embedding"), _count(state, "token_mix")
    if stages > MAX_STAGES or mixers > MAX_MIXERS:
        raise UsageError(f"{stages} stages, {mixers} mixers; {MAX_STAGES} and {MAX_MIXERS:,} are allowed")
    depths = [0] * stages
    for index in range(mixers):
        key = f"token_mix.{index}.fuse.0.weight"
        channels = _shape(path, state, key, 4)[0]
        stage = (channels // dim).bit_length() - 1
        if not 0 <= stage < stages or dim << stage != channels:
            raise FormatError(
                f"has {channels} channels; {', '.join(str(dim << i) for i in range(stages))} are wanted",
                where=f"{path}:{key}",
            )
        depths[stage] += 1
    return tuple(depths)


def _norm(state: Mapping[str, torch.Tensor]) -> Norm:
    """By lengths: "channel" where all batch norms are as long as their layers' outputs, and not all as the map."""
    token = channel = True
    for index in range(_count(state, "channel_mix")):
        rows, columns = (state.get(f"token_mix.{index}.proj_{axis}.1.weight") for axis in "hw")
        for linear, norm in ((0, 1), (3, 4)):
            bias = state.get(f"channel_mix.{index}.1.net.{linear}.bias")
            gain = state.get(f"channel_mix.{index}.1.net.{norm}.weight")
            if bias is None or gain is None or rows is None or columns is None:
                continue
            channel &= gain.shape == bias.shape
            token &= gain.numel() == rows.numel() ** 0.5 * columns.numel() ** 0.5
    return "channel" if channel and not token else "token"
