"""Reading torch checkpoints from strangers: weights only, sizes checked before memory is taken.

A checkpoint of ours is a dict: ``format`` "neuro-deploy-checkpoint", ``version`` 1, ``model`` (its name), ``config``
(the model's arguments), ``input`` (shape, scale, low, levels: how samples were digitised), ``training`` (seed, epochs,
accuracy, versions), ``state_dict``. Plain state dicts: official.py.
"""

from __future__ import annotations

import io
import json
import operator
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neuro_deploy.errors import FormatError
from neuro_deploy.files import MEMORY_BUDGET, check_archive, existing_file, write_bytes
from neuro_deploy.graph import Input
from neuro_deploy.numerics.registers import PAYLOAD

PLAIN_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64)
FORMAT = "neuro-deploy-checkpoint"
VERSION = 1
MAX_INPUT = 1e9
"""Our own limit of the magnitude of samples, in model units."""
WRAPPERS = ("model", "state_dict")
"""Keys of a dict under which a plain state dict is found."""
_AS_TRAINED = "names and shapes must be those of the model: save the state_dict() of the model as it was trained"


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
            raise FormatError("is missing from the state dict", where=where, hint=_AS_TRAINED)
        found = tuple(self.state[name].shape)
        if found != shape:
            raise FormatError(f"has shape {found}, {shape} is wanted", where=where, hint=_AS_TRAINED)
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
                f"holds {len(unknown)} tensors that the model does not have: {names}",
                where=str(self.path),
                hint=_AS_TRAINED,
            )


def save_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint of ours, whole or not at all. content: all keys but ``format`` and ``version``."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, **content}, buffer)
    write_bytes(path, buffer.getbuffer(), "checkpoint")


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
            f"is a torch file ({_outline(content)}), but not a checkpoint of this tool, nor a state dict of the "
            "official Mixer-SNN",
            where=str(path),
            hint="give a file of neuro-deploy train, or the Mixer-SNN's state dict: bare, or in a dict as "
            + " or ".join(repr(wrapper) for wrapper in WRAPPERS),
        )
    version = content.get("version")
    if not isinstance(version, int) or version != VERSION:
        said = version if isinstance(version, int) else type(version).__name__
        hint = "the file is broken, or of another version of this tool: train again"
        raise FormatError(f"has version {said}, this tool reads {VERSION}", where=str(path), hint=hint)
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


class _Left:
    """Takes the place of an argparse.Namespace, the arguments of a training script; nothing of it is kept."""

    def __setstate__(self, state: object) -> None:
        """Drop what it held."""


def load_content(path: Path) -> Any:
    """What a torch file holds: tensors, numbers, strings, lists and dicts, nothing that runs.

    Raises:
        FormatError: not a torch file, truncated, or with Python objects in it.
    """
    check_archive(path, "torch checkpoint")
    with torch.serialization.safe_globals([(_Left, "argparse.Namespace")]):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds on broken bytes
            names = _refused(path)
            if not names:
                hint = "the file is broken, or not of torch.save: save the model's state_dict() again"
                raise FormatError(f"cannot be read ({type(error).__name__})", where=str(path), hint=hint) from error
            raise FormatError(
                f"holds Python objects besides numbers, which are not loaded: {names}",
                where=str(path),
                hint=f"if you trust who made it, save its tensors alone: {_saved_again(path)}",
            ) from error


def _refused(path: Path) -> str:
    """Names of the classes and functions that a file asks for and does not get; empty where none are found."""
    try:
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # noqa: BLE001  # broken bytes, which is said already
        return ""
    return ", ".join(ascii(name)[1:-1] for name in names[:3]) + (", ..." if len(names) > 3 else "")


def _saved_again(path: Path) -> str:
    """The command that keeps only what WRAPPERS name."""
    source, target = json.dumps(str(path)), json.dumps(str(path.with_name(f"{path.stem}-tensors.pth")))
    code = f'import torch; torch.save(torch.load({source}, weights_only=False)["{WRAPPERS[0]}"], {target})'
    return f"python -c {shlex.quote(code)}"


def _outline(content: Any) -> str:
    """What a file holds, in a few words."""
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    keys = ", ".join(ascii(key)[:40] for key in list(content)[:3] if isinstance(key, str))
    return f"a dict of {keys}{', ...' if len(content) > 3 else ''}" if keys else "a dict without names"


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
