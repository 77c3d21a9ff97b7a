"""Hardware profiles: TOML -> frozen dataclass."""

from neuro_deploy.hardware.profile import HardwareProfile, Quantity, load_profile, profile_names
from neuro_deploy.hardware.write import profile_text, save_profile

__all__ = ["HardwareProfile", "Quantity", "load_profile", "profile_names", "profile_text", "save_profile"]
