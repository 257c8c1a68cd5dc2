"""The table of export recipes agrees with the stage table."""

import pytest
from vitrine_export.checkpoint import Checkpoint
from vitrine_export.exporting.recipes import RECIPES, function
from vitrine_orchestrator.stages import networks


def test_every_network_of_the_stage_table_has_a_recipe():
    """Every network of the stage table has a recipe, without which it would not be exported."""
    assert {row.name for row in networks()} <= {recipe.stage for recipe in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stage)
def test_the_functions_that_a_recipe_names_exist(recipe):
    """Functions that recipes name as text exist, so a misspelt one fails here."""
    assert callable(function(recipe.make))
    assert not recipe.networks or callable(function(recipe.networks))
    assert not recipe.source or callable(getattr(Checkpoint, recipe.source))
