"""Signal packs: YAML files that say what to watch, and the code that reads them."""

from aiops.packs._recipe import EdgeRule, Form, Matcher, Pack, Recipe, Selector

__all__ = ["EdgeRule", "Form", "Matcher", "Pack", "Recipe", "Selector"]
