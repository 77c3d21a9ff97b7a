"""Passes: Graph -> Graph, Graph -> float Network, Network -> FixedNetwork. One file each; all are pure."""

from neuro_deploy.passes.fold_batch_norm import FoldBatchNorm
from neuro_deploy.passes.lower import Lower
from neuro_deploy.passes.quantize import Quantize
from neuro_deploy.passes.scale import QuantizedPopulation

__all__ = ["FoldBatchNorm", "Lower", "Quantize", "QuantizedPopulation"]
