"""How each model is trained. Measured figures are in docs/training.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Adam with one-cycle learning rate, cross entropy of the time-averaged logits.

    hidden: widths of the hidden layers. noise: standard deviation added to samples in training, model units.
    """

    hidden: tuple[int, ...]
    timesteps: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    noise: float


RECIPES = {
    "mlp": Recipe(
        hidden=(128, 64),
        timesteps=4,
        epochs=40,
        batch=64,
        learning_rate=4e-3,
        weight_decay=1e-4,
        noise=0.1,
    )
}
"""Model name -> recipe."""
