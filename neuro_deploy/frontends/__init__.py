"""Source -> Graph: any checkpoint (source.py), the spiking MLP (mlp.py), the Mixer-SNN (mixer.py, official.py)."""
