"""What a chip's core can hold, each number with its unit and its source. The files: hw_profiles/."""

from __future__ import annotations

import difflib
import math
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
    "system": ("columns",),
    "mesh": ("columns", "rows", "cores_per_tile"),
    "core": ("output_axons", "axon_map", "words_per_axon", "thresholds"),
    "synapse": ("block", "block_bits"),
    "sharing": ("bits", "input_axons"),
    "numbers": ("weight_bits", "threshold_bits", "bias_bits", "decay_bits", "state_bits", "delay"),
    "spike": ("message_bits",),
    "energy": (
        "synop",
        "neuron_update",
        "neuron_update_inactive",
        "spike_in_tile",
        "hop_east_west",
        "hop_north_south",
        "static_power",
    ),
    "time": ("barrier", "neuron_update", "synop", "memory_read", "link_message"),
}
TOGETHER = ("mesh", "sharing")
"""Tables whose keys come all together or not at all."""
FRACTIONS = ("energy", "time")
"""Tables whose numbers need not be whole."""
LARGEST = 2**40
MAY_BE_ZERO = ("payload_bits", "barrier")
WORDS = ("name", "title", "base")


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

    @property
    def shares(self) -> bool:
        """Whether it is public what weights cost that positions share."""
        return "sharing.bits" in self.quantities

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
    for word in WORDS:
        if not isinstance(content.get(word, ""), str):
            raise FormatError(f"is {content[word]!r}, words are wanted", where=f"{path}: {word}")
    quantities = {**_based_on(content, path), **_quantities(content, path)}
    _check_complete(quantities, path)
    return HardwareProfile(str(content.get("name", path.stem)), str(content.get("title", path.stem)), quantities)


def _based_on(content: Mapping[str, Any], path: Path) -> dict[str, Quantity]:
    """The numbers of the profile that this one starts from: one that comes with the package."""
    name = content.get("base")
    if name is None:
        return {}
    if name not in profile_names():
        raise FormatError(f"is {name!r}; one of {', '.join(profile_names())} is wanted", where=f"{path}: base")
    return dict(_read(profile_folder() / f"{name}.toml").quantities)


def _quantities(content: Mapping[str, Any], path: Path) -> dict[str, Quantity]:
    quantities: dict[str, Quantity] = {}
    for table, keys in content.items():
        if table in WORDS:
            continue
        allowed = (*REQUIRED.get(table, ()), *OPTIONAL.get(table, ()))
        if not allowed or not isinstance(keys, dict):
            raise FormatError(f"has an unknown entry {table!r}", where=str(path))
        for key, value in keys.items():
            if key not in allowed:
                raise FormatError(f"is not known; known: {', '.join(allowed)}", where=f"{path}: {table}.{key}")
            zero, whole = key in MAY_BE_ZERO, table not in FRACTIONS
            quantities[f"{table}.{key}"] = _quantity(value, f"{path}: {table}.{key}", zero=zero, whole=whole)
    return quantities


def _check_complete(quantities: Mapping[str, Quantity], path: Path) -> None:
    wanted = [f"{table}.{key}" for table, keys in REQUIRED.items() for key in keys]
    for table in TOGETHER:
        named = [f"{table}.{key}" for key in OPTIONAL[table]]
        wanted += named if any(name in quantities for name in named) else []
    for name in wanted:
        if name not in quantities:
            raise FormatError("is missing", where=f"{path}: {name}")
    if "mesh.columns" in quantities:
        places = math.prod(int(quantities[f"mesh.{key}"].value) for key in OPTIONAL["mesh"])
        cores = int(quantities["system.cores_per_chip"].value)
        if places < cores:
            raise FormatError(f"has room for {places:,} cores, a chip has {cores:,}", where=f"{path}: mesh")


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
