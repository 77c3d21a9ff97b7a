"""The tensors of a Mixer-SNN's state dict: official key -> shape. Reader, graph and tests share this table."""

from __future__ import annotations

from collections.abc import Iterator

from neuro_deploy.frontends.mixer_config import NODES, MixerConfig, Place

Shape = tuple[int, ...]
Entry = tuple[str, Shape]
COUNTER = "num_batches_tracked"
"""How many batches a batch norm has seen: nothing needs it, old state dicts lack it."""


def tensor_shapes(config: MixerConfig) -> dict[str, Shape]:
    """key -> shape of all tensors that a model of that configuration has."""
    return dict(_all(config))


def _all(config: MixerConfig) -> Iterator[Entry]:
    for stage in range(config.stages):
        yield from _embedding(config, stage)
    for place in config.mixers():
        yield from _token(config, place)
        yield from _channel(config, place)
    yield from _head(config)


def _embedding(config: MixerConfig, stage: int) -> Iterator[Entry]:
    name, outputs = f"to_patch_embedding.{stage}", config.channels(stage)
    if stage == 0:
        yield from _convolution(name, (outputs, config.in_channels, config.patch_size, config.patch_size))
    elif config.patch == "partition":
        yield from _convolution(name, (outputs, config.channels(stage - 1), 2, 2))
    else:
        width = outputs // NODES
        for node in range(NODES):
            yield from _convolution(f"{name}.cell2node.{node}", (width, config.channels(stage - 1), 3, 3))
        for edge in ("node1_node2", "node2_node3"):
            yield from _convolution(f"{name}.{edge}", (width, width, 3, 3))


def _token(config: MixerConfig, place: Place) -> Iterator[Entry]:
    name, channels = f"token_mix.{place.index}", config.channels(place.stage)
    if config.patch == "partition":
        yield from _norm(f"{name}.BN", channels)
    for branch, size in zip(("proj_h", "proj_w"), config.grid(place.stage), strict=True):
        yield f"{name}.{branch}.1.weight", (size, size, 1, 1)
        yield f"{name}.{branch}.1.bias", (size,)
        yield from _norm(f"{name}.{branch}.2", size)
    yield from _convolution(f"{name}.fuse", (channels, 3 * channels, 1, 1))


def _channel(config: MixerConfig, place: Place) -> Iterator[Entry]:
    name = f"channel_mix.{place.index}.1.net"
    channels, hidden = config.channels(place.stage), config.hidden(place.stage)
    yield from _linear(f"{name}.0", hidden, channels)
    yield from _norm(f"{name}.1", config.norm_size(place.stage, hidden))
    yield from _linear(f"{name}.3", channels, hidden)
    yield from _norm(f"{name}.4", config.norm_size(place.stage, channels))


def _head(config: MixerConfig) -> Iterator[Entry]:
    channels, tokens = config.channels(config.stages - 1), config.tokens(config.stages - 1)
    if config.head == "mean":
        yield from _norm("batch_norm", channels)
    else:
        yield from _linear("head_fc", tokens, tokens)
        yield from _norm("head_bn", tokens)
    yield from _linear("mlp_head.1", config.classes, channels)


def _convolution(name: str, weight: Shape) -> Iterator[Entry]:
    yield f"{name}.0.weight", weight
    yield from _norm(f"{name}.1", weight[0])


def _linear(name: str, outputs: int, inputs: int) -> Iterator[Entry]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, size: int) -> Iterator[Entry]:
    for key in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{key}", (size,)
    yield f"{name}.{COUNTER}", ()
