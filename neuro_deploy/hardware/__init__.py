"""Hardware profiles: TOML -> frozen dataclass."""

from neuro_deploy.hardware.profile import HardwareProfile, Quantity, load_profile, profile_names

__all__ = ["HardwareProfile", "Quantity", "load_profile", "profile_names"]
