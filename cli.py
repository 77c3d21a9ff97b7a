"""Runs the command line from a checkout: ``python cli.py demo``."""

from neuro_deploy.cli import main

if __name__ == "__main__":
    main()
