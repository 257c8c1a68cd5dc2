"""The rule of imports: general folders know no family, and no family knows another."""

import ast
from pathlib import Path

import pytest
import vitrine_orchestrator

ROOT = Path(vitrine_orchestrator.__file__).parent
FAMILIES = ("try_on", "fashn", "z_image", "flux", "clip", "cut_out")
"""Folders of families; the adapters alone may import them all."""
ADS = ("compose", "product_ad")
"""Folders of pipelines over stages of all families: they call them by name and import none."""
GENERAL = ("sampling", "batching", "engine", "loras", "drawing", "composition", "placing", "lettering")
WORDS = (
    *("garment", "person", "try_on", "tryon", "try-on", "idm", "vton"),
    *("z_image", "z-image", "flux", "cut_out"),
)
SERVING = ("adapters", "embedded")
ABOVE = {  # a folder: those that it must not import
    "wire": ("sampling", "engine", "batching", "cache", "pipeline", *FAMILIES, *SERVING),
    "cores": ("engine", "batching", "cache", "pipeline", *FAMILIES, *SERVING),
    "images": ("engine", "batching", "cache", "pipeline", *FAMILIES, *SERVING),
    "sampling": ("batching", "engine", "cache", "pipeline", *FAMILIES, *SERVING),
    "engine": ("batching", "sampling", "cache", "pipeline", *FAMILIES, *SERVING),
    "composition": ("sampling", "engine", "batching", "cache", "pipeline", *ADS, *FAMILIES, *SERVING),
    "compose": ("drawing", "product_ad", *FAMILIES, *SERVING),
    "product_ad": (*FAMILIES, *SERVING),
    "loras": ("engine", "batching", "sampling", "cache", "pipeline", *FAMILIES, *SERVING),
    "drawing": (*ADS, *FAMILIES, *SERVING),
    "placing": ("engine", "batching", "cache", "pipeline", "stages", "lettering", *FAMILIES, *SERVING),
    "lettering": ("engine", "batching", "sampling", "cache", "drawing", *FAMILIES, *SERVING),
    "batching": ("drawing", "cache", "pipeline", *FAMILIES, *SERVING),
    "workflows": ("batching", "engine", "sampling", "drawing", "cache", *FAMILIES, *SERVING),
    "ad_prompts": ("batching", "engine", "sampling", "drawing", "cache", *FAMILIES, *SERVING),
    "cache": ("batching", "pipeline", *FAMILIES),
    "residency": ("engine", "sampling", "cache", "pipeline", *FAMILIES, "adapters"),
    "pipeline": ("batching", "drawing", *FAMILIES, *SERVING),
    **dict.fromkeys(FAMILIES, SERVING),
}


def imported(folder):
    """(file, package of the orchestrator) of every import in a folder, those inside functions included."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                first, _, rest = name.partition(".")
                if first == "vitrine_orchestrator" and rest:
                    yield path, rest.split(".")[0]


@pytest.mark.parametrize("folder", ABOVE)
def test_a_folder_imports_nothing_above_it(folder):
    """No folder imports a folder that the table above lists as above it."""
    wrong = [(path.name, package) for path, package in imported(folder) if package in ABOVE[folder]]
    assert not wrong


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_imports_another(family):
    """Each family could be removed without touching the others."""
    others = set(FAMILIES) - {family}
    assert not [(path, package) for path, package in imported(family) if package in others]


def names_of_families(paths):
    """(file, word) of every word of a family in code, comments or names."""
    return [(path.name, word) for path in sorted(paths) for word in WORDS if word in path.read_text().lower()]


@pytest.mark.parametrize("folder", GENERAL)
def test_general_folders_name_no_family(folder):
    """No word of a family is in the code, comments or names of general folders."""
    assert not names_of_families((ROOT / folder).rglob("*.py"))


def test_the_cache_names_no_family():
    """Its categories and kinds of owners are rows of a family; only its command names them."""
    general = set((ROOT / "cache").glob("*.py")) | set((ROOT / "cache" / "disk").glob("*.py"))
    assert not names_of_families(general - {ROOT / "cache" / "command.py"})
