"""Recipes by name: those of the harness, and those that distributions bring."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError, suggestion
from harness.registry.plugins import Plugins
from harness.train import recipe
from harness.train.recipe import Recipe


def recipe_files(plugins: Plugins) -> dict[str, list[tuple[str, Path]]]:
    """By name who brings it, and its file; a name that is claimed twice has two."""
    found = {name: [("vfi-harness", recipe.FOLDER / f"{name}.yaml")] for name in recipe.names()}
    for origin, paths in plugins.brought("harness_recipes", lambda paths: [Path(path) for path in paths]):
        for path in paths:
            found.setdefault(path.stem, []).append((origin.distribution, path))
    return dict(sorted(found.items()))


def find_recipe(name: str, plugins: Plugins) -> Recipe:
    """A recipe by name, or from a YAML file. Raises HarnessError with file, line and key; for an unknown name with the
    nearest; for one that is claimed twice with who claims it."""
    if name.endswith((".yaml", ".yml")):
        return recipe.load_recipe(name)
    files = recipe_files(plugins)
    claims = files.get(name, [])
    if not claims:
        hint = suggestion(name, files) or f"; there are: {', '.join(files)}"
        raise HarnessError(f"unknown recipe '{name}'{hint} (the name of a file ends in .yaml)")
    if len(claims) > 1:
        listed = " and by ".join(f"{distribution} ({path})" for distribution, path in claims)
        raise HarnessError(f"recipe '{name}' is claimed by {listed}: uninstall all but one, or name the file")
    return recipe.load_recipe(str(claims[0][1]))


def summary(path: Path) -> str:
    """What a recipe is for: the comment that its file begins with."""
    try:
        return recipe.summary(str(path.absolute().with_suffix("")))  # a whole path leads out of the harness's folder
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
