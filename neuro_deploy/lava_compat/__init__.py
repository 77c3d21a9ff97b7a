"""lava-nc 0.10.0 and lava-dl 0.6.0 on Python >= 3.11, torch 2.13 and numpy 1.26 or 2.x.

``require()`` (lava-nc) and ``require_dl()`` (lava-dl as well) are the only doors to Lava: call one before any
``import lava``. As a pytest plugin (``-p neuro_deploy.lava_compat.plugin``) it opens both. Installing: ``install.py``.
"""

from neuro_deploy.lava_compat.doctor import Finding, doctor
from neuro_deploy.lava_compat.install import LAVA_DL, LAVA_NC, LavaState, lava_state, setup_lava
from neuro_deploy.lava_compat.patches import check_installed, require, require_dl

__all__ = [
    "LAVA_DL",
    "LAVA_NC",
    "Finding",
    "LavaState",
    "check_installed",
    "doctor",
    "lava_state",
    "require",
    "require_dl",
    "setup_lava",
]
