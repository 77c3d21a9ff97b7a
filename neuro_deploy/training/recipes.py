"""How each model is trained. Measured figures are in docs/training.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """AdamW with one-cycle learning rate, cross entropy of the time-averaged logits.

    hidden: widths of the hidden layers. noise: standard deviation added to samples in training, model units.
    threads: of torch; with one, sums always come in the same order, so that a seed gives the same weights every time.
    """

    hidden: tuple[int, ...]
    timesteps: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    noise: float
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for the checkpoint."""
        return {**asdict(self), "hidden": list(self.hidden)}


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
    )
}
"""Model name -> recipe."""
