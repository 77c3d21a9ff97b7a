"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from neuro_deploy.errors import DataError
from neuro_deploy.frontends.checkpoint import save_checkpoint
from neuro_deploy.models import Mixer, SpikingMLP
from neuro_deploy.progress import Progress, silent
from neuro_deploy.training.data import Data
from neuro_deploy.training.recipes import Recipe, fitted_mixer

Model = SpikingMLP | Mixer
MAX_CLASSES = 100_000
"""Our own limit: a readout neuron per class."""
BATCH = 1000
"""Samples that are evaluated at a time: bounds the memory."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model and its accuracy on the held-out data, 0..1."""

    model: Model
    accuracy: float

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return sum(parameter.numel() for parameter in self.model.parameters())


def train(recipe: Recipe, fit: Data, held_out: Data, *, seed: int, progress: Progress = silent) -> Trained:
    """Train a recipe's model. The same seed on the same machine gives the same weights.

    Raises:
        DataError: data without labels, or labels that are not 0, 1, 2, ..., or samples that do not fit the model.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        return _train(recipe, fit, held_out, seed, progress)
    finally:
        torch.set_num_threads(before)


def _train(recipe: Recipe, fit: Data, held_out: Data, seed: int, progress: Progress) -> Trained:
    x, y = _tensors(fit)
    if len(x) < 2:
        raise DataError(f"has {len(x)} sample to train on, at least 2 are wanted", where=fit.name)
    classes = int(y.max()) + 1
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _model(recipe, tuple(x.shape[1:]), classes, fit.name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = -(-len(x) // recipe.batch) * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps)
    for epoch in range(recipe.epochs):
        model.train()
        for chosen in torch.split(torch.randperm(len(x), generator=generator), recipe.batch):
            if len(chosen) < 2:  # batch norm needs two; the next epoch draws others
                continue
            noise = recipe.noise * torch.randn(x[chosen].shape, generator=generator)
            logits = model(x[chosen] + noise)
            loss = torch.nn.functional.cross_entropy(logits, y[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        progress("training", epoch + 1, recipe.epochs)
    model.eval()
    return Trained(model, accuracy(model, held_out))


def _model(recipe: Recipe, shape: tuple[int, ...], classes: int, name: str) -> Model:
    if recipe.mixer is None:
        return SpikingMLP((math.prod(shape), *recipe.hidden, classes), recipe.timesteps)
    return Mixer(fitted_mixer(recipe, recipe.mixer, shape, classes, name))


def save_trained(trained: Trained, path: str | Path, data: Data, training: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all. data: what it was trained on, whose digitising is kept."""
    model = trained.model
    name, config = _described(model)
    content = {
        "model": name,
        "config": config,
        "input": {"shape": list(data.x.shape[1:]), "scale": 1 / data.levels, "low": 0.0, "levels": data.levels},
        "training": {**training, "accuracy": trained.accuracy, "torch": str(torch.__version__)},
        "state_dict": model.state_dict(),
    }
    save_checkpoint(path, content)


def _described(model: Model) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a model, as plain data."""
    if isinstance(model, Mixer):
        return "mixer", model.config.to_dict()
    config = {"timesteps": model.timesteps, "tau": model.tau, "v_threshold": model.v_threshold}
    return "mlp", {"widths": list(model.widths), **config}


def accuracy(model: Model, data: Data) -> float:
    """The share of samples that the model puts in their class, 0..1."""
    x, y = _tensors(data)
    with torch.inference_mode():
        found = torch.cat([model(part).argmax(dim=1) for part in torch.split(x, BATCH)])
        return float((found == y).float().mean())


def _tensors(data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    if data.y is None:
        hint = "np.savez(FILE, x=samples, y=labels)"
        raise DataError("has no labels (y), training needs them", where=data.name, hint=hint)
    if data.y.min() < 0 or data.y.max() >= MAX_CLASSES:
        raise DataError(f"has labels from {data.y.min()} to {data.y.max()}; 0, 1, 2, ... are wanted", where=data.name)
    values = data.x / data.levels if data.x.dtype.kind in "iub" else data.x
    if values.min() < 0 or values.max() > 1:
        raise DataError(
            f"x spans {data.x.min():g} to {data.x.max():g}; floats from 0 to 1 or whole numbers 0 to {data.levels} are "
            "wanted",
            where=data.name,
            hint="scale the samples: (x - x.min()) / (x.max() - x.min())",
        )
    return torch.tensor(values, dtype=torch.float32), torch.tensor(data.y)
