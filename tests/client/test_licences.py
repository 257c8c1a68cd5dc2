"""The table of licences is complete, and the page in the docs is that table."""

import re
import tomllib
from pathlib import Path

from vitrine.command import main
from vitrine.licences import CHECKPOINTS, LIBRARIES, LICENCES, rows
from vitrine_orchestrator.stages import networks

ROOT = Path(__file__).parents[2]
SERVED = ("results", "server", "export", "gateway", "otel", "bullmq")


def test_every_network_of_the_repository_has_a_licence():
    """Every stage with weights is named in the table of licences."""
    named = {stage for licence in CHECKPOINTS for stage in licence.stages}
    assert {row.name for row in networks()} | {"denoise"} <= named


def test_every_library_has_a_licence():
    """The table names each dependency of client, server, exporter and gateway, and no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for extra in SERVED for one in extras[extra])]
    names = {re.split(r"[\[<>=~ ]", one)[0] for one in wanted} - {"vitrine"}
    assert names == {library.work for library in LIBRARIES}


def test_the_page_holds_the_table():
    """The page docs/licences.md has each row of the table, cell by cell."""
    page = (ROOT / "docs" / "licences.md").read_text()
    for row in rows():
        assert f"| {' | '.join(row)} |" in page


def test_the_command_prints_the_table_without_a_server(capsys):
    """The command `vitrine models --licences` names every work."""
    assert main(["models", "--licences"]) == 0
    printed = capsys.readouterr().out
    assert all(one.work in printed for one in LICENCES)
