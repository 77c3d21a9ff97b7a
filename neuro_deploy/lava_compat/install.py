"""Installing lava-nc and lava-dl, and telling what is installed."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from neuro_deploy.errors import MissingError
from neuro_deploy.lava_compat.subprocesses import own_environment, own_python


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel. Its metadata says Python 3.10 only, so it is installed without its own requirements."""

    name: str
    version: str
    sha256: str

    @property
    def installed(self) -> str | None:
        """The installed version, if any."""
        try:
            return importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return None


IMPORT_SECONDS = 120
"""Importing lava-dl takes some 5 seconds."""

LAVA_NC = Wheel("lava-nc", "0.10.0", "d646723e888a72868dac77d31beee3eef1f540366a8c1a8578a2dc3302470926")
LAVA_DL = Wheel("lava-dl", "0.6.0", "bcb448f2bb85dc0da4b4dbbbae16543d2a978c1da7279acc522ad621fc68c437")


@dataclass(frozen=True)
class LavaState:
    """What is installed. works: None where a wheel is missing, else whether the import runs. detail: why not."""

    lava_nc: str | None
    lava_dl: str | None
    works: bool | None
    detail: str


def lava_state() -> LavaState:
    """Look at the installed wheels and try to import them, in a process of its own."""
    nc, dl = LAVA_NC.installed, LAVA_DL.installed
    if nc is None or dl is None:
        return LavaState(nc, dl, None, "not installed")
    code = "import neuro_deploy.lava_compat, lava.lib.dl.netx"
    command = own_python("-W", "ignore", "-c", code)
    try:
        tried = subprocess.run(
            command, capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False, env=own_environment()
        )
    except subprocess.TimeoutExpired:
        return LavaState(nc, dl, False, f"did not import in {IMPORT_SECONDS} seconds")
    if tried.returncode == 0:
        return LavaState(nc, dl, True, "imports")
    return LavaState(nc, dl, False, (tried.stderr.strip() or f"exit code {tried.returncode}").splitlines()[-1])


def setup_lava() -> LavaState:
    """Install the two wheels into the running environment with pip, pinned and checked against their hashes.

    Raises:
        MissingError: pip is not there, or it failed; the message ends with pip's own last words.
    """
    if any(wheel.installed != wheel.version for wheel in (LAVA_NC, LAVA_DL)):
        _pip_install()
    importlib.invalidate_caches()
    state = lava_state()
    if not state.works:
        raise MissingError(f"lava is installed but does not import: {state.detail}", hint="neuro-deploy doctor")
    return state


def _pip_install() -> None:
    lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}" for wheel in (LAVA_NC, LAVA_DL)]
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "lava.txt")
        requirements.write_text("\n".join(lines) + "\n")
        options = ["--no-deps", "--ignore-requires-python", "--require-hashes", "--disable-pip-version-check"]
        command = own_python("-m", "pip", "install", "--quiet", *options, "-r", str(requirements))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise MissingError(
            f"pip could not install lava: {words[-1] if words else 'no message'}",
            hint=f"{sys.executable} -m ensurepip, check the network, then again: neuro-deploy setup-lava",
        )
