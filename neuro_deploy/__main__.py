"""``python -m neuro_deploy``."""

from neuro_deploy.cli import main

main()
