"""The patches that Lava needs on today's Python and numpy, each with its reason. Nothing else patches Lava.

They are applied while Python imports the module concerned, so that importing this package is all it takes and costs
nothing until Lava is used.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from neuro_deploy.errors import MissingError

OBJECT_DETECTION = "lava.lib.dl.slayer.object_detection"
"""lava-dl's ``slayer`` imports it, and it wants cv2 and torchvision, for YOLO alone: left empty where those are not."""


@contextmanager
def hashable_byte_encoder(_module: ModuleType) -> Iterator[None]:
    """Dataclass fields there have the default ``ByteEncoder()``.

    Since Python 3.11 a default must be hashable, and a dataclass with ``eq`` is not: ByteEncoder keeps object's hash.
    """
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
        yield
    finally:
        dataclasses.dataclass = original


@contextmanager
def numbers_from_arrays(module: Any) -> Iterator[None]:
    """``int()`` is called there on arrays of one element, which numpy 2.4 refuses."""
    yield
    module.int = lambda value: builtins.int(value.item() if hasattr(value, "item") else value)


@contextmanager
def reshape_without_keyword(module: Any) -> Iterator[None]:
    """``ReshapePort`` calls ``np.reshape(newshape=...)``, a keyword that numpy 2.4 no longer has."""
    yield
    module.ReshapePort.get_transform_func_fwd = lambda port: functools.partial(_reshaped, shape=port.shape)
    module.ReshapePort.get_transform_func_bwd = lambda port: functools.partial(_reshaped, shape=port.old_shape)


def _reshaped(data: Any, shape: tuple[int, ...]) -> Any:
    return data.reshape(shape)


Patch = Callable[[ModuleType], AbstractContextManager[None]]
PATCHES: dict[str, Patch] = {
    "lava.magma.compiler.var_model": hashable_byte_encoder,
    "lava.lib.dl.netx.hdf5": numbers_from_arrays,
    "lava.magma.core.process.ports.ports": reshape_without_keyword,
}
"""Module -> what surrounds its execution."""


class PatchingFinder(MetaPathFinder):
    """Finds the modules of PATCHES where Python would, and surrounds their execution with the patch."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == OBJECT_DETECTION and (find_spec("cv2") is None or find_spec("torchvision") is None):
            return ModuleSpec(name, EmptyLoader())
        if name not in PATCHES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = PatchingLoader(spec.loader, PATCHES[name])
        return spec


class PatchingLoader(Loader):
    """Loads as the real loader does, inside a patch."""

    def __init__(self, loader: Loader, patch: Patch) -> None:
        self._loader = loader
        self._patch = patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with self._patch(module):
            self._loader.exec_module(module)


class EmptyLoader(Loader):
    """An empty module."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = "Left out: it needs cv2 and torchvision."


def activate() -> None:
    """Put the finder in front, once per process."""
    if not any(isinstance(finder, PatchingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PatchingFinder())


def require() -> None:
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
