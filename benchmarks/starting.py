"""How long a command takes from start to result, and what its imports take of that.

``python -m benchmarks.starting [--quick]``
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from benchmarks.networks import DIGITS
from benchmarks.part import ROOT, Options, command, main, page
from benchmarks.timing import Spread, in_turns, percent, table

RUN = ("run", DIGITS.format("mlp"), "--data", "digits", "--json")
COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "neuro-deploy --version": ("-m", "neuro_deploy", "--version"),
    f"neuro-deploy {' '.join(RUN)}": ("-m", "neuro_deploy", *RUN),
}
ROUNDS = 5
LIBRARIES = {
    "torch": ("torch", "functorch", "torchgen", "sympy", "mpmath", "networkx"),
    "numba": ("numba", "llvmlite"),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "scikit-learn": ("sklearn", "joblib", "threadpoolctl"),
    "h5py": ("h5py",),
    "command line": ("typer", "click", "rich", "markdown_it", "pygments"),
    "neuro_deploy": ("neuro_deploy",),
}
"""Of a library: its packages. What only they import counts as theirs."""
OTHER = "Python's own modules, others"
WORK = "starting Python, reading, mapping, running, counting, printing"
LINE = re.compile(r"import time:\s*(\d+) \|\s*\d+ \| ( *)(\S+)")


def part(options: Options) -> str:
    """The commands, and the imports of the last."""
    tasks: dict[str, Callable[[], float]] = {name: _task(arguments) for name, arguments in COMMANDS.items()}
    if not options.quick:
        in_turns(tasks, 1)  # compiled loops and the system's cache of files are warm then
    seconds = in_turns(tasks, 1 if options.quick else ROUNDS)
    commands = [(f"`{name}`", Spread.of(values)) for name, values in seconds.items()]
    *_, last = COMMANDS.values()
    imports = _imports(last, 1 if options.quick else ROUNDS)
    said = (
        "Compiled loops come from numba's cache. Imports: from `python -X importtime`, which lengthens them a little, "
        "as shares of the same process's time. What a library imports for itself counts as its own."
    )
    return page(
        "## From start to result",
        said,
        table(("command, a fresh process", "s"), commands),
        "Where the last one's time goes:",
        table(("", "share"), [(name, percent(share)) for name, share in imports.items()]),
        command("benchmarks.starting"),
    )


def _task(arguments: Sequence[str]) -> Callable[[], float]:
    def task() -> float:
        start = time.perf_counter()
        _python(arguments)
        return time.perf_counter() - start

    return task


def _python(arguments: Sequence[str]) -> str:
    """What it wrote to stderr."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stderr


def _imports(arguments: Sequence[str], rounds: int) -> dict[str, float]:
    """What takes the time of a process -> its share, medians."""
    every = [_shares(arguments) for _ in range(rounds)]
    return {name: statistics.median(one[name] for one in every) for name in every[0]}


def _shares(arguments: Sequence[str]) -> dict[str, float]:
    start = time.perf_counter()
    owned = _owned(_python(("-X", "importtime", *arguments)))
    whole = time.perf_counter() - start
    imports = {f"importing {name}": owned[name] / whole for name in (*LIBRARIES, OTHER)}
    return {**imports, "all imports": sum(imports.values()), WORK: 1 - sum(imports.values())}


def _owned(said: str) -> dict[str, float]:
    """library -> seconds.

    Python tells of a module after those that it imported, which are indented deeper: read backwards, each module comes
    before what it imported.
    """
    owners = {package: library for library, packages in LIBRARIES.items() for package in packages}
    seconds: dict[str, float] = defaultdict(float)
    above: list[tuple[int, str]] = []
    for match in (LINE.match(line) for line in reversed(said.splitlines())):
        if match is None:
            continue
        depth, package = len(match[2]), match[3].partition(".")[0]
        while above and above[-1][0] >= depth:
            above.pop()
        inherited = above[-1][1] if above else OTHER
        owner = owners.get(package, OTHER if inherited == "neuro_deploy" else inherited)
        above.append((depth, owner))
        seconds[owner] += int(match[1]) / 1e6
    return seconds


if __name__ == "__main__":
    main(__doc__, part)
