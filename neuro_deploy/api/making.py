"""From a checkpoint to a network and its file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neuro_deploy import netx
from neuro_deploy.conversion import Budget, Settings, converted, finetuned
from neuro_deploy.errors import UsageError
from neuro_deploy.files import check_writable
from neuro_deploy.hardware import HardwareProfile, load_profile
from neuro_deploy.network import FixedNetwork, Network
from neuro_deploy.network.topology import check_timesteps
from neuro_deploy.numerics.registers import MAX_WIDTH
from neuro_deploy.passes import Conversion, InputMode, Skip, lowered
from neuro_deploy.passes.levels import WeightBits
from neuro_deploy.passes.quantize import ScaleMode
from neuro_deploy.progress import Progress, silent
from neuro_deploy.training.data import Data, load_data, take_part
from neuro_deploy.training.recipes import RECIPES
from neuro_deploy.version import __version__

Samples = npt.ArrayLike | Data


def train(
    model: str,
    data: str,
    output: str | Path,
    *,
    seed: int = 0,
    epochs: int | None = None,
    timesteps: int | None = None,
    hidden: Sequence[int] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train a model by its recipe and write a checkpoint. ``data="digits"`` trains on four fifths of the digits.

    model: ``mlp``, ``mixer``, or a preset of the Mixer-SNN. hidden: widths of an mlp's hidden layers. A ``FILE.npz`` is
    cut the same way: every fifth sample is held out.

    Raises:
        UsageError: no such model or data set, or numbers out of range.
        FileError, DataError: data or output that cannot be used.
    """
    if model not in RECIPES:
        raise UsageError(f"no model {model!r}; models: {', '.join(RECIPES)}")
    standard = RECIPES[model]
    if hidden and standard.mixer is not None:
        raise UsageError(f"widths of hidden layers are for an mlp, not for {model}")
    recipe = replace(
        standard,
        epochs=standard.epochs if epochs is None else epochs,
        timesteps=standard.timesteps if timesteps is None else timesteps,
        hidden=tuple(hidden) if hidden else standard.hidden,
    )
    check_timesteps(recipe.timesteps)
    if recipe.epochs < 1 or not all(1 <= width <= MAX_WIDTH for width in recipe.hidden):
        raise UsageError(
            f"{recipe.epochs} epochs, widths {recipe.hidden}; 1 epoch or more, widths of 1 to {MAX_WIDTH:,} are wanted"
        )
    samples = load_data(data, "all")
    fit, held_out = take_part(samples, "train"), take_part(samples, "test")
    check_writable(output, kind="checkpoint")

    from neuro_deploy.training.loop import save_trained
    from neuro_deploy.training.loop import train as run_recipe

    start = time.perf_counter()
    trained = run_recipe(recipe, fit, held_out, seed=seed, progress=progress)
    seconds = time.perf_counter() - start
    save_trained(trained, output, fit, {"seed": seed, "data": data, "tool": __version__, "recipe": recipe.to_dict()})
    return {
        "path": str(output),
        "model": model,
        "accuracy": trained.accuracy,
        "held_out": len(held_out.x),
        "samples": len(fit.x),
        "parameters": trained.parameters,
        "epochs": recipe.epochs,
        "seed": seed,
        "seconds": round(seconds, 2),
    }


def lower(
    source: str | Path,
    *,
    timesteps: int | None = None,
    skip: Skip = "relay",
    token_norm: str = "multiply",  # noqa: S107
) -> Network:
    """Read a checkpoint and give its float Network: batch norms folded, populations and projections.

    skip: how sums that several neurons need (residuals) reach them: sent by a "relay", or made anew for each, by
    "recompute". token_norm: what becomes of a batch norm per token before a residual: "multiply", or "shift:K", which
    makes its gain a sum of K signed powers of two.

    Raises:
        FileError, FormatError: not there, broken, or with NaN.
        UnsupportedError: an operator that has no exact counterpart.
        UsageError: no such skip or token norm.
    """
    from neuro_deploy.frontends.source import checkpoint_graph

    return lowered(checkpoint_graph(source, timesteps), skip, token_norm)


def convert(  # noqa: PLR0913  # one argument per option of the command
    source: str | Path,
    *,
    calibrate: Samples | None = None,
    evaluate: Samples | None = None,
    timesteps: int | None = None,
    input: InputMode = "graded",
    skip: Skip = "relay",
    token_norm: str = "multiply",  # noqa: S107
    weight_bits: WeightBits | Literal["auto"] = 8,
    scale: ScaleMode = "population",
    max_loss: float = 0.5,
    profile: str | HardwareProfile = "loihi2",
    say: Callable[[dict[str, Any]], None] | None = None,
    progress: Progress = silent,
) -> tuple[FixedNetwork, Conversion]:
    """Read a checkpoint and quantize it: even weights of 1 to 8 bits, one scale per population, states within 24 bits.

    calibrate: samples by which scales are chosen: those whose spikes come nearest to the float network's. evaluate:
    samples on which the float and the fixed network are then compared, those of calibrate if not told; with labels (a
    Data) also their accuracies. input: "graded" sends pixels as graded spikes, "bias" puts the first layer's current
    into its bias. skip, token_norm: as ``lower``. weight_bits: of all weights, or by projection ``"source -> target"``
    (8 where not named), or "auto": lowered where it costs least, until ``max_loss`` points of accuracy on the samples
    of calibrate are spent; say: is then told each point of the curve, with the cores of profile. scale: one per
    "population", or one per output "channel", with thresholds per neuron.

    Raises:
        as ``lower``; RangeError: numbers that do not fit however they are scaled; DataError: unusable samples;
        UsageError: bits beyond 1..8, of projections that do not exist, or "auto" without samples.
    """
    budget = None
    if weight_bits == "auto":
        if calibrate is None:
            raise UsageError("weight bits are searched on samples", hint="--calibrate D, such as --calibrate digits")
        budget = Budget(max_loss, load_profile(profile) if isinstance(profile, str) else profile, say)
    bits = 8 if isinstance(weight_bits, str) else weight_bits
    data = _samples(calibrate)
    return converted(
        source,
        Settings(input, skip, token_norm, bits, scale),
        calibrate=data,
        evaluate=data if evaluate is None else _samples(evaluate),
        budget=budget,
        timesteps=timesteps,
        progress=progress,
    )


def finetune(  # noqa: PLR0913  # one argument per option of the command
    source: str | Path,
    data: str | Data,
    *,
    weight_bits: WeightBits = 4,
    scale: ScaleMode = "population",
    timesteps: int | None = None,
    input: InputMode = "graded",
    skip: Skip = "relay",
    token_norm: str = "multiply",  # noqa: S107
    epochs: int = 15,
    seconds: float = 100.0,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[FixedNetwork, Conversion]:
    """Quantize a checkpoint, or a NetX file anew, and let its integers learn on the fixed-point arithmetic itself.

    data: labelled samples; every fifth is held out, and the report speaks of those. seconds: from the first choice of
    scales on; no epoch is begun that would end later. The same seed gives the same integers, unless the time is up
    first (the report tells). Engines run them exactly as the training computed them.

    Raises:
        as ``convert`` and ``load``; DataError: no labels, or samples that do not fit; UnsupportedError: a NetX file
        with delays, or neurons that are not those of the paper.
    """
    samples = load_data(data, "all") if isinstance(data, str) else data
    return finetuned(
        source,
        Settings(input, skip, token_norm, weight_bits, scale),
        fit=take_part(samples, "train"),
        held_out=take_part(samples, "test"),
        tuning={"epochs": epochs, "seconds": seconds, "seed": seed},
        timesteps=timesteps,
        progress=progress,
    )


def _samples(given: Samples | None) -> Data | None:
    return given if given is None or isinstance(given, Data) else Data("samples", np.asarray(given))


def load(path: str | Path, *, timesteps: int | None = None) -> FixedNetwork:
    """Read a NetX file: one of ours, or a stock chain of dense, conv and flatten layers.

    Most stock chains do not say how many timesteps they run: 32, if not told.

    Raises:
        FileError, FormatError, UnsupportedError: with the HDF5 path.
    """
    return netx.read(path, timesteps)


def save(network: FixedNetwork, path: str | Path) -> Literal["chain", "graph"]:
    """Write a NetX file: a chain by way of lava-dl's SLAYER blocks where the network is one, else a graph.

    Returns which it was.

    Raises:
        MissingError: a chain, and lava-dl is not installed. UnsupportedError, RangeError: would be changed by the stock
        reader, or has no place in the file. FileError: the file cannot be written.
    """
    return netx.save(network, path)
