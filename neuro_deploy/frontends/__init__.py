"""Source -> Graph."""

from neuro_deploy.frontends.checkpoint import load_checkpoint
from neuro_deploy.frontends.mlp import mlp_graph

__all__ = ["load_checkpoint", "mlp_graph"]
