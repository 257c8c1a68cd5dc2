"""Every text file is read and written in a named encoding: a model's process may run in any locale."""

import ast

import pytest

FOLDERS = ("backends", "client", "docker", "model_repository", "orchestrator")
ATTRIBUTES = ("read_text", "write_text", "makefile")
FUNCTIONS = ("open",)


def names_none(call):
    """Whether a call opens text without saying its encoding."""
    if any(one.arg in ("encoding", None) for one in call.keywords):
        return False
    if isinstance(call.func, ast.Attribute):
        opens = call.func.attr in ATTRIBUTES
    else:
        opens = isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS
    modes = [one.value for one in (*call.args[1:], *call.args[:1]) if isinstance(one, ast.Constant)]
    return opens and not (modes and isinstance(modes[0], str) and "b" in modes[0])


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_has_a_named_encoding(root, folder):
    """Without one, Python reads UTF-8 in one locale and ASCII in another."""
    found = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in sorted((root / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and names_none(node)
    ]
    assert found == []
