"""What is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import re
import sys
from dataclasses import dataclass

from neuro_deploy.lava_compat.install import LAVA_DL, LAVA_NC, lava_state
from neuro_deploy.progress import Progress, silent

MODULES = {"scikit-learn": "sklearn"}
"""Libraries whose module has another name."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at. mend: what to type where it is not well."""

    name: str
    found: str
    well: bool
    needed: bool
    mend: str | None = None


def doctor(progress: Progress = silent) -> list[Finding]:
    """Look at Python, the libraries, Lava and the Loihi 2 packages."""
    version = platform.python_version()
    recent = sys.version_info >= (3, 11)
    mend = None if recent else "install Python 3.11 or later"
    findings = [Finding("Python", version, recent, True, mend)]
    wanted = _requirements()
    for done, requirement in enumerate(wanted):
        progress("looking", done, len(wanted) + 1)
        findings.append(_library(requirement))
    progress("looking", len(wanted), len(wanted) + 1)
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


def _requirements() -> list[str]:
    """``name>=version`` of every library that the package needs, as its own metadata says."""
    wanted = importlib.metadata.requires("neuro-deploy") or []
    return [requirement for requirement in wanted if "extra ==" not in requirement]


def _library(requirement: str) -> Finding:
    """Whether a library is there, recent enough, and importable."""
    name, _, least = requirement.partition(">=")
    mend = f"pip install '{requirement}'"
    try:
        found = importlib.metadata.version(name)
        importlib.import_module(MODULES.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", False, True, mend)
    except Exception as error:  # noqa: BLE001  (whatever a broken library raises is what the user should see)
        return Finding(name, f"does not import: {error}", False, True, mend)
    recent = _numbers(found) >= _numbers(least)
    return Finding(name, found, recent, True, None if recent else mend)


def _numbers(version: str) -> list[int]:
    """``"2.13.0+cpu"`` -> [2, 13, 0]."""
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]
