"""What is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from dataclasses import dataclass

from neuro_deploy.lava_compat.install import LAVA_DL, LAVA_NC, lava_state

NEEDED = ("torch", "numpy", "scipy", "h5py", "scikit-learn", "networkx", "asteval", "matplotlib", "typer", "rich")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. mend: what to type where it is not well."""

    name: str
    found: str
    well: bool
    needed: bool
    mend: str | None = None


def doctor() -> list[Finding]:
    """Look at Python, the libraries, Lava and the Loihi 2 packages."""
    version = platform.python_version()
    findings = [Finding("Python", version, sys.version_info >= (3, 11), True, "install Python 3.11 or later")]
    findings += [_library(name) for name in NEEDED]
    state = lava_state()
    for wheel, found in ((LAVA_NC, state.lava_nc), (LAVA_DL, state.lava_dl)):
        well = found == wheel.version
        findings.append(
            Finding(wheel.name, found or "missing", well, False, None if well else "neuro-deploy setup-lava")
        )
    if state.works is not None:
        mend = None if state.works else "neuro-deploy setup-lava; if that does not help, report it"
        findings.append(Finding("Lava imports", state.detail, state.works, False, mend))
    hardware = importlib.util.find_spec("nxcore") is not None
    found = "nxcore is there" if hardware else "missing (INRC members only); simulators run without it"
    findings.append(Finding("Loihi 2 packages", found, hardware, False))
    return findings


def _library(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name), True, True)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", False, True, f"pip install {name}")
