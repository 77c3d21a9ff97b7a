"""Reading torch checkpoints from strangers: weights only, sizes checked before memory is taken.

A checkpoint of ours is a dict: ``format`` "neuro-deploy-checkpoint", ``version`` 1, ``model`` (its name), ``config``
(the model's arguments), ``input`` (shape, scale, low, levels: how samples were digitised), ``training`` (seed, epochs,
accuracy, versions), ``state_dict``. Plain state dicts: official.py.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neuro_deploy.errors import FormatError
from neuro_deploy.files import MEMORY_BUDGET, atomic_write, check_archive, existing_file
from neuro_deploy.graph import Input
from neuro_deploy.numerics.registers import PAYLOAD

PLAIN_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64)
FORMAT = "neuro-deploy-checkpoint"
VERSION = 1
MAX_INPUT = 1e9
"""Our own limit of the magnitude of samples, in model units."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checked checkpoint. state: name -> dense real tensor on the CPU."""

    path: Path
    model: str
    config: Mapping[str, Any]
    input: Mapping[str, Any]
    state: Mapping[str, torch.Tensor]

    def tensor(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """A tensor of that name and shape, finite.

        Raises:
            FormatError: missing, of another shape, with NaN or infinity, or a negative variance of a batch norm.
        """
        where = f"{self.path}:{name}"
        if name not in self.state:
            raise FormatError("is missing from the state dict", where=where)
        found = tuple(self.state[name].shape)
        if found != shape:
            raise FormatError(f"has shape {found}, {shape} is wanted", where=where)
        value: npt.NDArray[np.float64] = self.state[name].detach().to(torch.float64).numpy()
        if not np.all(np.isfinite(value)):
            raise FormatError("holds NaN or infinity", where=where, hint="the training broke down: train again")
        if name.endswith(".running_var") and value.size and value.min() < 0:
            raise FormatError("holds a negative variance", where=where)
        return value

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Refuse tensors that nobody asked for.

        Raises:
            FormatError: a tensor whose name is not among those known.
        """
        unknown = [name for name in self.state if name not in known]
        if unknown:
            names = ", ".join(unknown[:3])
            raise FormatError(
                f"holds {len(unknown)} tensors that the model does not have: {names}", where=str(self.path)
            )


def save_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint of ours, whole or not at all. content: all keys but ``format`` and ``version``."""
    with atomic_write(path) as temporary:
        torch.save({"format": FORMAT, "version": VERSION, **content}, temporary)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of ours.

    Raises:
        FileError: nothing there.
        FormatError: not a torch checkpoint, one with Python objects in it, or not one of ours.
    """
    path = existing_file(path)
    return own_checkpoint(path, load_content(path))


def own_checkpoint(path: Path, content: Any) -> Checkpoint:
    """Check what a file holds, and take it as a checkpoint of ours.

    Raises:
        FormatError: not one of ours, or a broken one.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FormatError(
            "is a torch file, but not a checkpoint of this tool, nor a state dict of the official Mixer-SNN",
            where=str(path),
            hint="neuro-deploy train writes such checkpoints",
        )
    if not isinstance(content.get("version"), int) or content["version"] != VERSION:
        raise FormatError(f"has version {content.get('version')!r}, this tool reads {VERSION}", where=str(path))
    for key, kind in (("model", str), ("config", dict), ("input", dict), ("state_dict", dict)):
        if not isinstance(content.get(key), kind):
            raise FormatError(f"has no usable {key!r}", where=str(path), hint="the file is broken: train again")
    state = checked_state(path, content["state_dict"])
    return Checkpoint(path, content["model"], content["config"], content["input"], state)


def stored_input(checkpoint: Checkpoint) -> Input:
    """How a checkpoint of ours had its samples digitised.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: broken.
    """
    entry = checkpoint.input
    shape = tuple(operator.index(n) for n in entry["shape"])
    scale, low, levels = float(entry["scale"]), float(entry["low"]), operator.index(entry["levels"])
    sane = shape and min(shape) >= 1 and 0 < scale < MAX_INPUT and abs(low) < MAX_INPUT
    if not (sane and 1 <= levels <= PAYLOAD.high):
        raise ValueError(f"input {dict(entry)}")
    return Input(shape, scale, low, levels)


def checked_state(path: Path, state: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    """A state dict of dense real tensors on the CPU, whose data they hold.

    Raises:
        FormatError: anything else in it, with its key.
    """
    return {str(name): _checked(path, str(name), value) for name, value in state.items()}


def load_content(path: Path) -> Any:
    """What a torch file holds: tensors, numbers, strings, lists and dicts, nothing that runs.

    Raises:
        FormatError: not a torch file, truncated, or with Python objects in it.
    """
    check_archive(path, "torch checkpoint")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on broken bytes
        words = str(error).strip().splitlines()
        objects = "Unsupported global" in str(error) or "weights_only" in str(error)
        what = "holds Python objects besides numbers, which are not loaded" if objects else "cannot be read"
        raise FormatError(
            f"{what} ({words[0][:120] if words else type(error).__name__})",
            where=str(path),
            hint="save it again with torch.save of plain tensors, numbers, strings, lists and dicts",
        ) from error


def _checked(path: Path, name: str, value: Any) -> torch.Tensor:
    where = f"{path}:{name}"
    if (
        not isinstance(value, torch.Tensor)
        or value.layout != torch.strided
        or value.device.type != "cpu"
        or value.is_nested
    ):
        raise FormatError("is not a dense real tensor", where=where)
    if value.dtype not in PLAIN_TYPES:
        raise FormatError(f"holds {value.dtype}, real numbers are wanted", where=where)
    if value.numel() * 8 > MEMORY_BUDGET or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise FormatError(f"claims shape {tuple(value.shape)}, which its data do not hold", where=where)
    return value
