"""The machine that figures come from."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("torch", "numba", "numpy", "scipy", "scikit-learn", "lava-nc", "lava-dl")
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")
"""What a CPU has that changes these figures."""


def described() -> list[str]:
    """Lines of Markdown: CPU, cores, memory, system, versions."""
    return [
        f"- CPU: {cpu()}, {cores()} cores; {', '.join(flags()) or 'none'} of {', '.join(FLAGS)}",
        f"- memory: {memory():.0f} GiB; system: {platform.system()} {platform.machine()}",
        f"- Python {platform.python_version()}, " + ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
    ]


def cpu() -> str:
    """The CPU's model, as the system names it."""
    if platform.system() == "Darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip() or platform.processor()
    return _cpuinfo().get("model name", platform.processor() or platform.machine())


def flags() -> list[str]:
    """Those of FLAGS that this CPU has, where the system tells."""
    there = set(_cpuinfo().get("flags", "").split())
    return [flag for flag in FLAGS if flag in there]


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition(":") for line in reversed(lines))
    return {key.strip(): value.strip() for key, _, value in pairs}


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> float:
    """GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def busy() -> float:
    """What others ran here in the last minute: processes, on average."""
    return os.getloadavg()[0]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def peak() -> int:
    """Bytes of memory that this process took at most."""
    path = Path("/proc/self/status")
    if path.exists():  # the other figure outlives exec there: it starts with the parent's
        return next(int(line.split()[1]) * 1024 for line in path.read_text().splitlines() if line.startswith("VmHWM"))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if platform.system() == "Darwin" else most * 1024
