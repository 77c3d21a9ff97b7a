"""How a source is converted: all that a file must say so that it can be converted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.files import sha256
from neuro_deploy.network import Network
from neuro_deploy.passes import Quantize, Skip, lowered
from neuro_deploy.passes.levels import MOST, WeightBits
from neuro_deploy.passes.quantize import InputMode, ScaleMode
from neuro_deploy.progress import Progress, silent
from neuro_deploy.version import __version__


@dataclass(frozen=True)
class Settings:
    """The arguments of a conversion; ``nd.convert`` says what each means."""

    input: InputMode = "graded"
    skip: Skip = "relay"
    token_norm: str = "multiply"  # noqa: S105
    weight_bits: WeightBits = MOST
    scale: ScaleMode = "population"

    def quantize(self, samples: npt.NDArray[np.generic] | None = None, progress: Progress = silent) -> Quantize:
        """The pass. samples: to choose scales by."""
        return Quantize(self.input, self.weight_bits, self.scale, samples, progress)

    def lowered(self, graph: Any) -> Network:
        """The float network of a graph."""
        return lowered(graph, self.skip, self.token_norm)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        bits = self.weight_bits
        return {**asdict(self), "weight_bits": dict(bits) if isinstance(bits, Mapping) else bits}

    @classmethod
    def of(cls, said: Any) -> Settings:
        """From what a file says; what it does not say is as it was before it could be said."""
        if not isinstance(said, dict):
            return cls()
        words = {key: str(said[key]) for key in ("input", "skip", "token_norm", "scale") if key in said}
        bits = said.get("weight_bits", MOST)
        return cls(weight_bits=bits if isinstance(bits, int | dict) else MOST, **words)  # type: ignore[arg-type]


def meta(source: str | Path, settings: Settings, report: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """What a file says about where it came from. more: how scales were chosen, and whether it was fine-tuned."""
    return {
        "tool": f"neuro-deploy {__version__}",
        "source": {"file": Path(source).name, "sha256": sha256(source)},
        "conversion": {**settings.to_dict(), **more},
        "quantization": dict(report),
    }
