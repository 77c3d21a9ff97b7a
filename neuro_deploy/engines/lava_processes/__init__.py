"""Lava processes of our own, for what Lava lacks. Lava imports every file of this folder when it looks for models."""
