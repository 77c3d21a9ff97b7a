"""A profile as TOML, so that what it says can be read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from neuro_deploy.files import write_bytes
from neuro_deploy.hardware.profile import HardwareProfile, Quantity

HEAD = "# neuro-deploy profile. How to read and write profiles: hw_profiles/README.md.\n"


def save_profile(profile: HardwareProfile, path: str | Path, *, base: HardwareProfile | None = None) -> None:
    """Write a profile, whole or not at all. base: one that comes with the package; what it says too is left out.

    Raises:
        FileError: it cannot be written, or something else than a profile is in its place.
    """
    write_bytes(path, profile_text(profile, base).encode(), "hardware profile")


def profile_text(profile: HardwareProfile, base: HardwareProfile | None = None) -> str:
    """As ``save_profile`` writes it."""
    known: Mapping[str, Quantity] = {}
    lines = [HEAD + f"name = {_words(profile.name)}", f"title = {_words(profile.title)}"]
    if base is not None and set(base.quantities) <= set(profile.quantities):
        known = base.quantities
        lines.append(f"base = {_words(base.name)}")
    tables: dict[str, list[str]] = {}
    for name, quantity in profile.quantities.items():
        if known.get(name) != quantity:
            table, key = name.split(".")
            value = f"value = {quantity.value!r}, unit = {_words(quantity.unit)}, source = {_words(quantity.source)}"
            tables.setdefault(table, []).append(f"{key} = {{ {value} }}")
    for table, rows in tables.items():
        lines += ["", f"[{table}]", *rows]
    return "\n".join(lines) + "\n"


def _words(text: str) -> str:
    """A TOML string: JSON's, but for the one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
