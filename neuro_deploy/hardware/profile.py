"""What a chip's core can hold, each number with its unit and its source. The files: hw_profiles/."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuro_deploy.errors import FormatError, UsageError
from neuro_deploy.files import existing_file

REQUIRED = {
    "system": ("chips", "cores_per_chip"),
    "core": ("neurons", "neuron_groups", "input_axons", "synapse_memory", "word_bits"),
    "synapse": ("bits", "bits_with_delay"),
    "spike": ("payload_bits",),
}
OPTIONAL = {
    "core": ("output_axons", "words_per_axon", "thresholds"),
    "synapse": ("block", "block_bits"),
    "energy": ("synop", "neuron_update"),
}
LARGEST = 2**40
MAY_BE_ZERO = ("payload_bits",)


@dataclass(frozen=True)
class Quantity:
    """A number with its unit and where it comes from."""

    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class HardwareProfile:
    """A system. quantities: "table.key" -> Quantity, only those that are known."""

    name: str
    title: str
    quantities: Mapping[str, Quantity]

    def get(self, key: str) -> float | None:
        """The value of "table.key"; None where nothing is public."""
        return self.quantities[key].value if key in self.quantities else None

    def whole(self, key: str) -> int:
        """A value that every profile has, as a whole number."""
        return int(self.quantities[key].value)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "title": self.title,
            "quantities": {key: vars(quantity) for key, quantity in self.quantities.items()},
        }


def profile_folder() -> Path:
    """The folder of the profiles: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_data" / "hw_profiles"
    return installed if installed.is_dir() else package.parent / "hw_profiles"


def profile_names() -> list[str]:
    """The names of the profiles that come with the package."""
    return sorted(path.stem for path in profile_folder().glob("*.toml"))


def load_profile(name: str) -> HardwareProfile:
    """A profile by name, or from a ``.toml`` file.

    Raises:
        UsageError: no such profile.
        FileError, FormatError: a file that is not there, broken, or has a number without value, unit and source.
    """
    if name.endswith(".toml"):
        return _read(existing_file(name))
    if name not in profile_names():
        near = difflib.get_close_matches(name, profile_names(), 1)
        raise UsageError(
            f"no hardware profile {name!r}; profiles: {', '.join(profile_names())}, or a .toml file",
            hint=f"did you mean {near[0]}?" if near else None,
        )
    return _read(profile_folder() / f"{name}.toml")


def _read(path: Path) -> HardwareProfile:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"is not TOML: {error}", where=str(path)) from error
    quantities: dict[str, Quantity] = {}
    for table, keys in content.items():
        if table in ("name", "title"):
            continue
        allowed = (*REQUIRED.get(table, ()), *OPTIONAL.get(table, ()))
        if not allowed or not isinstance(keys, dict):
            raise FormatError(f"has an unknown entry {table!r}", where=str(path))
        for key, value in keys.items():
            if key not in allowed:
                raise FormatError(f"is not known; known: {', '.join(allowed)}", where=f"{path}: {table}.{key}")
            zero, whole = key in MAY_BE_ZERO, table != "energy"
            quantities[f"{table}.{key}"] = _quantity(value, f"{path}: {table}.{key}", zero=zero, whole=whole)
    for table, wanted in REQUIRED.items():
        for key in wanted:
            if f"{table}.{key}" not in quantities:
                raise FormatError("is missing", where=f"{path}: {table}.{key}")
    return HardwareProfile(str(content.get("name", path.stem)), str(content.get("title", path.stem)), quantities)


def _quantity(value: Any, where: str, *, zero: bool, whole: bool) -> Quantity:
    if not isinstance(value, dict) or set(value) != {"value", "unit", "source"}:
        raise FormatError("must be { value, unit, source }, all three", where=where)
    number = value["value"]
    kinds = int if whole else (int, float)
    if (
        isinstance(number, bool)
        or not isinstance(number, kinds)
        or not (0 < number < LARGEST or (zero and number == 0))
    ):
        kind = "whole number" if whole else "number"
        raise FormatError(f"has the value {number!r}, a {kind} above 0 is wanted", where=where)
    if not all(isinstance(value[key], str) and value[key].strip() for key in ("unit", "source")):
        raise FormatError("needs a unit and a source in words", where=where)
    return Quantity(number, value["unit"], value["source"])
