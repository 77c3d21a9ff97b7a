"""Data sets (data.py), recipes (recipes.py) and the training loop (loop.py)."""
