"""The patches that Lava needs on today's Python and numpy, each with its reason. Nothing else patches Lava.

1. ``lava.magma.compiler.var_model`` gives dataclass fields the default ``ByteEncoder()``. Since Python 3.11 a
   default must be hashable, and a dataclass with ``eq`` is not: ByteEncoder keeps object's hash.
2. ``lava.lib.dl.slayer`` imports ``object_detection``, which wants cv2 and torchvision for YOLO alone: an empty
   module stands in for it.
3. ``lava.lib.dl.netx.hdf5`` calls ``int()`` on arrays of one element, which numpy 2.4 refuses.
4. ``ReshapePort`` calls ``np.reshape(newshape=...)``, a keyword that numpy 2.4 no longer has.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import importlib
import sys
import types
import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any

from neuro_deploy.errors import MissingError


def check_installed() -> None:
    """Look for Lava without importing it.

    Raises:
        MissingError: lava-nc or lava-dl is not installed.
    """
    try:
        missing = find_spec("lava.magma") is None or find_spec("lava.lib.dl") is None
    except ModuleNotFoundError:
        missing = True
    if missing:
        raise MissingError(
            "lava-nc 0.10.0 and lava-dl 0.6.0 are not installed in this environment",
            hint="neuro-deploy setup-lava",
        )


@cache
def require() -> None:
    """Make lava-nc work in this process: ``import lava.proc``, ``lava.magma``, ``lava.utils``.

    Raises:
        MissingError: lava-nc or lava-dl is not installed.
    """
    check_installed()
    _hashable_byte_encoder()
    _reshape_without_keyword()


@cache
def require_dl() -> None:
    """Make lava-dl work too: ``import lava.lib.dl``. Takes seconds, since it imports torch and matplotlib.

    Raises:
        MissingError: lava-nc or lava-dl is not installed.
    """
    require()
    _no_object_detection()
    _one_element_arrays()


def _hashable_byte_encoder() -> None:
    original = dataclasses.dataclass

    def dataclass(cls: type | None = None, /, **options: Any) -> Any:
        if cls is None:
            return lambda later: dataclass(later, **options)
        made: Any = original(cls, **options)
        if cls.__name__ == "ByteEncoder":
            made.__hash__ = object.__hash__
        return made

    dataclasses.dataclass = dataclass
    try:
        importlib.import_module("lava.magma.compiler.var_model")
    finally:
        dataclasses.dataclass = original


def _no_object_detection() -> None:
    name = "lava.lib.dl.slayer.object_detection"
    if find_spec("cv2") is None or find_spec("torchvision") is None:
        sys.modules.setdefault(name, types.ModuleType(name, "Left out: it needs cv2 and torchvision."))


def _one_element_arrays() -> None:
    def number(value: Any) -> int:
        return builtins.int(value.item() if hasattr(value, "item") else value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        hdf5: Any = importlib.import_module("lava.lib.dl.netx.hdf5")
    hdf5.int = number


def _reshape_without_keyword() -> None:
    ports: Any = importlib.import_module("lava.magma.core.process.ports.ports")

    def forward(port: Any) -> functools.partial[Any]:
        return functools.partial(_reshaped, shape=port.shape)

    def backward(port: Any) -> functools.partial[Any]:
        return functools.partial(_reshaped, shape=port.old_shape)

    ports.ReshapePort.get_transform_func_fwd = forward
    ports.ReshapePort.get_transform_func_bwd = backward


def _reshaped(data: Any, shape: tuple[int, ...]) -> Any:
    return data.reshape(shape)
