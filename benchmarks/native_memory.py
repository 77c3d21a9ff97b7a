"""A helper: what memory the native engine takes.

``python -m benchmarks.native_memory FILE.net PRESET SAMPLES``. Answers one question with the most bytes so far: after
importing, after loading the network, after a run.
"""

from __future__ import annotations

import sys

import neuro_deploy as nd
from benchmarks import machine, mixer
from benchmarks.part import answer, asked


def main() -> None:
    """Load, run, tell."""
    path, preset, samples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for _ in asked():
        imported = machine.peak()
        network = nd.load(path)
        loaded = machine.peak()
        nd.run(network, mixer.images(preset, samples))
        answer(f"{imported} {loaded} {machine.peak()}")


if __name__ == "__main__":
    main()
