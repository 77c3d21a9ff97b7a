"""lava-nc 0.10.0 and lava-dl 0.6.0 on Python >= 3.11, torch 2.13 and numpy 1.26 or 2.x.

Importing this package makes ``import lava`` work: ``patches.py`` tells how. As a pytest plugin,
``pytest -p neuro_deploy.lava_compat`` runs tests that import Lava directly. Installing Lava: ``install.py``.
"""

from neuro_deploy.lava_compat.diagnosis import Finding, doctor
from neuro_deploy.lava_compat.install import LAVA_DL, LAVA_NC, LavaState, lava_state, setup_lava
from neuro_deploy.lava_compat.patches import activate, require

__all__ = ["LAVA_DL", "LAVA_NC", "Finding", "LavaState", "doctor", "lava_state", "require", "setup_lava"]

activate()
