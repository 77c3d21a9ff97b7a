"""How each model is trained. Measured figures are in docs/training.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from neuro_deploy.errors import DataError
from neuro_deploy.frontends.mixer_config import PRESETS, MixerConfig


@dataclass(frozen=True)
class Recipe:
    """AdamW with one-cycle learning rate, cross entropy of the time-averaged logits.

    hidden: widths of the hidden layers of an MLP. mixer: dimensions of a Mixer-SNN, or None: an MLP. noise: standard
    deviation added to samples in training, model units. threads: of torch; with one, sums always come in the same
    order, so that a seed gives the same weights every time.
    """

    timesteps: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    noise: float
    threads: int
    hidden: tuple[int, ...] = ()
    mixer: MixerConfig | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for the checkpoint."""
        mixer = None if self.mixer is None else self.mixer.to_dict()
        return {**asdict(self), "hidden": list(self.hidden), "mixer": mixer}


def fitted_mixer(recipe: Recipe, config: MixerConfig, shape: tuple[int, ...], classes: int, name: str) -> MixerConfig:
    """The dimensions with the channels and classes of data. shape: of one sample. name: of the data.

    Raises:
        DataError: samples that are no images of the model's size.
    """
    if len(shape) != 3 or shape[1:] != config.image:
        height, width = config.image
        raise DataError(f"samples have shape {shape}; this model takes (channels, {height}, {width})", where=name)
    return replace(config, in_channels=shape[0], classes=classes, timesteps=recipe.timesteps)


def _mixer(preset: str) -> Recipe:
    return Recipe(
        mixer=PRESETS[preset],
        timesteps=4,
        epochs=15,
        batch=64,
        learning_rate=8e-3,
        weight_decay=1e-4,
        noise=0.1,
        threads=1,
    )


RECIPES = {
    "mlp": Recipe(
        hidden=(128, 64),
        timesteps=4,
        epochs=40,
        batch=64,
        learning_rate=4e-3,
        weight_decay=1e-4,
        noise=0.1,
        threads=1,
    ),
    "mixer": _mixer("mixer-8"),
    **{preset: _mixer(preset) for preset in PRESETS},
}
"""Model name -> recipe. ``mixer`` is the one for digits; the presets are for files of their image size."""
