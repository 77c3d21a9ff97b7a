"""Source -> Graph: reading checkpoints (checkpoint.py), the spiking MLP (mlp.py)."""
