"""Data sets, recipes and the training loop."""

from neuro_deploy.training.data import Data, load_data
from neuro_deploy.training.loop import Trained, train
from neuro_deploy.training.recipes import RECIPES, Recipe

__all__ = ["RECIPES", "Data", "Recipe", "Trained", "load_data", "train"]
