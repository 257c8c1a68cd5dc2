"""The table of export recipes agrees with the stage table."""

import pytest
from vitrine_export.checkpoint import Checkpoint
from vitrine_export.checkpoint.cut_out import CutOutCheckpoint
from vitrine_export.checkpoint.fashn import FashnCheckpoint
from vitrine_export.exporting.families import FAMILIES
from vitrine_export.exporting.recipes import function
from vitrine_orchestrator.stages import networks, stage

RECIPES = [(family.name, recipe) for family in FAMILIES for recipe in family.recipes]
NAMES = [f"{family}-{recipe.stage}" for family, recipe in RECIPES]
CHECKPOINTS = {"idm_vton": Checkpoint, "fashn": FashnCheckpoint, "cut-out": CutOutCheckpoint}


def test_every_network_of_the_stage_table_has_a_recipe():
    """Every network of the stage table has a recipe, without which it would not be exported."""
    assert {row.name for row in networks()} <= {recipe.stage for _, recipe in RECIPES}


@pytest.mark.parametrize(("family", "recipe"), RECIPES, ids=NAMES)
def test_the_functions_that_a_recipe_names_exist(family, recipe):
    """Functions that recipes name as text exist, so a misspelt one fails here."""
    assert callable(function(recipe.make))
    assert not recipe.networks or callable(function(recipe.networks))
    assert not recipe.source or callable(getattr(CHECKPOINTS[family], recipe.source))


def test_no_two_families_write_one_file():
    """One repository holds a checkpoint of each family."""
    paths = [path for _, recipe in RECIPES for path in recipe.paths(optional=True)]
    assert len(set(paths)) == len(paths)


def test_a_family_exports_stages_of_its_own():
    """Each recipe's stage is one that serves the family."""
    for family, recipe in RECIPES:
        assert family in stage(recipe.stage).families
