"""Passes: Graph -> Graph, Graph -> float Network, Network -> FixedNetwork. One file each; all are pure."""

from neuro_deploy.passes.fidelity import Conversion, fidelity
from neuro_deploy.passes.fold_batch_norm import FoldBatchNorm
from neuro_deploy.passes.lower import Lower
from neuro_deploy.passes.quantize import InputMode, Quantize

__all__ = ["Conversion", "FoldBatchNorm", "InputMode", "Lower", "Quantize", "fidelity"]
