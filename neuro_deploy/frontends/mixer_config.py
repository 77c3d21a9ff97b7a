"""The dimensions of a Mixer-SNN (arXiv 2306.12465): plain numbers, checked, and the presets by name."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from neuro_deploy.errors import UsageError

Norm = Literal["token", "channel"]
Head = Literal["mean", "spiking"]
Patch = Literal["cell", "partition"]
SKIPS = ("PT", "PC", "TC", "CT")
"""Patch to token block, patch to channel block, token to channel block, channel block to the next token block."""
NODES = 3
"""A patch cell concatenates three nodes of a third of the channels each (paper, section 3.2)."""
LIMITS = {
    "image_size": 4096,
    "in_channels": 4096,
    "patch_size": 4096,
    "dim": 65_536,
    "alpha": 64,
    "classes": 100_000,
    "timesteps": 4096,
}
"""Our own largest values: what strangers' files may claim."""
MAX_STAGES = 8
MAX_MIXERS = 1000


@dataclass(frozen=True)
class Place:
    """Where a mixer stands. index: counted through all stages. first: of its stage."""

    index: int
    stage: int
    first: bool


@dataclass(frozen=True)
class MixerConfig:
    """The dimensions of a Mixer-SNN.

    image_size: pixels, (height, width), or one number for both. dim: channels of the first stage, doubled per stage.
    depths: mixers per stage. alpha: hidden channels of a channel block per channel. skip: any of SKIPS; the first token
    block of a stage always gets the patch state (paper, section 4.3). norm: the axis of the channel block's batch
    norms: one set per token position (the released model) or per output channel (the paper's text, which folds into the
    weights). head: spatial mean of normalised spikes (released) or a spiking layer over all positions (the paper's
    text). patch: how stages after the first halve their map: a patch cell (SPE) or 2x2 pixels of stride 2 (MLP-S).
    tau: timesteps. v_threshold: of all neurons.

    Raises:
        UsageError: dimensions that do not fit each other, or are out of range.
    """

    image_size: int | tuple[int, int]
    in_channels: int
    patch_size: int
    dim: int
    depths: tuple[int, ...]
    alpha: int = 3
    classes: int = 1000
    timesteps: int = 4
    skip: frozenset[str] = frozenset({"PT", "PC", "TC"})
    norm: Norm = "token"
    head: Head = "mean"
    patch: Patch = "cell"
    tau: float = 2.0
    v_threshold: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", self.image)
        _check_names(self)
        _check_ranges(self)
        _check_divisions(self)

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of a sample, in pixels."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    @property
    def stages(self) -> int:
        """How many there are."""
        return len(self.depths)

    def channels(self, stage: int) -> int:
        """Channels of a stage."""
        return self.dim << stage

    def hidden(self, stage: int) -> int:
        """Hidden channels of a stage's channel blocks."""
        return self.alpha * self.channels(stage)

    def grid(self, stage: int) -> tuple[int, int]:
        """Height and width of a stage, in tokens."""
        height, width = self.image
        return (height // self.patch_size) >> stage, (width // self.patch_size) >> stage

    def tokens(self, stage: int) -> int:
        """Positions of a stage."""
        height, width = self.grid(stage)
        return height * width

    def norm_size(self, stage: int, channels: int) -> int:
        """Length of a batch norm of a stage's channel block, whose layer has that many outputs."""
        return self.tokens(stage) if self.norm == "token" else channels

    def mixers(self) -> Iterator[Place]:
        """All mixers in execution order."""
        index = 0
        for stage, depth in enumerate(self.depths):
            for position in range(depth):
                yield Place(index, stage, position == 0)
                index += 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**plain, "image_size": list(self.image), "depths": list(self.depths), "skip": sorted(self.skip)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> MixerConfig:
        """The inverse of ``to_dict``.

        Raises:
            UsageError, KeyError, TypeError, ValueError, OverflowError: a configuration that is broken.
        """
        height, width = (operator.index(n) for n in plain["image_size"])
        numbers: dict[str, Any] = {
            key: operator.index(plain[key])
            for key in ("in_channels", "patch_size", "dim", "alpha", "classes", "timesteps")
        }
        names: dict[str, Any] = {key: str(plain[key]) for key in ("norm", "head", "patch")}
        return cls(
            image_size=(height, width),
            depths=tuple(operator.index(n) for n in plain["depths"]),
            skip=frozenset(str(skip) for skip in plain["skip"]),
            tau=float(plain["tau"]),
            v_threshold=float(plain["v_threshold"]),
            **numbers,
            **names,
        )


def _check_names(config: MixerConfig) -> None:
    for key, allowed in (
        ("norm", ("token", "channel")),
        ("head", ("mean", "spiking")),
        ("patch", ("cell", "partition")),
    ):
        if getattr(config, key) not in allowed:
            raise UsageError(f"{key} is {getattr(config, key)!r}; {' or '.join(allowed)} is wanted", where="mixer")
    unknown = sorted(config.skip - set(SKIPS))
    if unknown:
        raise UsageError(f"skip holds {', '.join(unknown)}; any of {', '.join(SKIPS)} are wanted", where="mixer")


def _check_ranges(config: MixerConfig) -> None:
    for key, limit in LIMITS.items():
        values = config.image if key == "image_size" else (getattr(config, key),)
        if not all(1 <= value <= limit for value in values):
            raise UsageError(f"{key} is {getattr(config, key)}; 1 to {limit:,} is wanted", where="mixer")
    if not 1 <= config.stages <= MAX_STAGES or min(config.depths) < 1 or sum(config.depths) > MAX_MIXERS:
        raise UsageError(
            f"depths are {list(config.depths)[:MAX_STAGES]}; 1 to {MAX_STAGES} stages with 1 mixer or more each, "
            f"{MAX_MIXERS:,} at most, are wanted",
            where="mixer",
        )
    if not (1 <= config.tau < float("inf") and 0 < config.v_threshold < float("inf")):
        raise UsageError(
            f"tau {config.tau:g}, v_threshold {config.v_threshold:g}; tau of 1 or more and a positive threshold are "
            "wanted",
            where="mixer",
        )


def _check_divisions(config: MixerConfig) -> None:
    step = config.patch_size << (config.stages - 1)
    if any(size % step for size in config.image):
        height, width = config.image
        raise UsageError(
            f"an image of {height}x{width} is not a multiple of {step}: patches of {config.patch_size}, halved "
            f"{config.stages - 1} times",
            where="mixer",
            hint="a smaller patch_size, fewer depths, or another image_size",
        )
    if config.patch == "cell" and config.stages > 1 and config.dim * 2 % NODES:
        raise UsageError(
            f"dim {config.dim} gives stages of {config.channels(1)} channels; a patch cell needs a multiple of {NODES}",
            where="mixer",
            hint='a dim that 3 divides, or patch="partition"',
        )


def _imagenet(dim: int, depths: tuple[int, ...], patch: Patch = "cell") -> MixerConfig:
    return MixerConfig(224, 3, 4, dim, depths, patch=patch)


PRESETS: Mapping[str, MixerConfig] = {
    "mlp-spe-t": _imagenet(78, (2, 8, 14, 2)),
    "mlp-spe-s": _imagenet(96, (2, 8, 14, 2)),
    "mlp-spe-b": _imagenet(108, (2, 10, 24, 2)),
    "mlp-s": _imagenet(96, (2, 8, 14, 2), "partition"),
    "mixer-8": MixerConfig(8, 1, 2, 24, (1, 1), alpha=2, classes=10, norm="channel"),
    "mixer-32": MixerConfig(32, 3, 2, 48, (1, 2, 1), alpha=3, classes=10, norm="channel"),
}
"""Name -> dimensions. mlp-*: paper, section 4.1 (ImageNet). mixer-8, mixer-32: ours, for 8x8 grey and 32x32 colour."""
