"""Any checkpoint -> Graph: ours by the model it names, or a state dict of the official Mixer-SNN."""

from __future__ import annotations

from pathlib import Path

from neuro_deploy.errors import FormatError, UsageError
from neuro_deploy.files import existing_file
from neuro_deploy.frontends.checkpoint import FORMAT, Checkpoint, load_content, own_checkpoint, stored_input
from neuro_deploy.frontends.mixer import mixer_graph
from neuro_deploy.frontends.mixer_config import MixerConfig
from neuro_deploy.frontends.mlp import mlp_graph
from neuro_deploy.frontends.official import check_fit, is_official, official_checkpoint, official_input
from neuro_deploy.graph import Graph

MODELS = ("mlp", "mixer")


def checkpoint_graph(path: str | Path, timesteps: int | None = None) -> Graph:
    """The operators of a checkpoint. timesteps: overrides what it was trained with.

    Raises:
        FileError: nothing there.
        FormatError: broken, not a checkpoint, of another model, or with tensors that do not fit.
        UnsupportedError: normalisation that does not fold into anything.
    """
    path = existing_file(path)
    content = load_content(path)
    ours = isinstance(content, dict) and content.get("format") == FORMAT
    if not ours and is_official(content):
        tensors, config, trained = official_checkpoint(path, content)
        check_fit(path, tensors.state, config)
        return mixer_graph(config, tensors, official_input(config), trained if timesteps is None else timesteps)
    checkpoint = own_checkpoint(path, content)
    if checkpoint.model == "mlp":
        return mlp_graph(checkpoint, timesteps)
    if checkpoint.model == "mixer":
        return _own_mixer(checkpoint, timesteps)
    names = " and ".join(repr(model) for model in MODELS)
    raise FormatError(f"holds a {checkpoint.model!r}; this version converts {names}", where=str(path))


def _own_mixer(checkpoint: Checkpoint, timesteps: int | None) -> Graph:
    try:
        config = MixerConfig.from_dict(checkpoint.config)
        entry = stored_input(checkpoint)
    except UsageError as error:
        raise FormatError(f"configuration is broken: {error.what}", where=str(checkpoint.path)) from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"configuration is broken: {error!r}", where=str(checkpoint.path)) from error
    wanted = (config.in_channels, *config.image)
    if entry.shape != wanted:
        raise FormatError(
            f"samples of shape {entry.shape} do not fit its mixer, which takes {wanted}", where=str(checkpoint.path)
        )
    check_fit(checkpoint.path, checkpoint.state, config)
    return mixer_graph(config, checkpoint, entry, config.timesteps if timesteps is None else timesteps)
