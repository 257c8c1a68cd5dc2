"""The page of workflows has the table of the code, and its example passes every check."""

import json
import re

from vitrine_orchestrator.workflows.graph import read_graph
from vitrine_orchestrator.workflows.table import CLASSES


def table():
    """The table as the page must have it; to write it anew, print this."""
    lines = ["| class | what | inputs | outputs |", "| --- | --- | --- | --- |"]
    for row in CLASSES.values():
        inputs = ", ".join(
            f"`{one.name}`{'*' * one.required} {one.kind}{'[]' * one.many}" for one in row.inputs
        )
        outputs = ", ".join(f"`{one.name}` {one.kind}" for one in row.outputs) or "–"
        lines.append(f"| `{row.name}` | {row.about} | {inputs} | {outputs} |")
    return "\n".join(lines)


def test_the_nodes_are_those_of_the_code(root):
    """Classes, inputs, kinds and outputs."""
    assert table() in (root / "docs" / "workflows.md").read_text()


def test_the_example_passes_every_check(root):
    """It could be sent as it is."""
    page = (root / "docs" / "workflows.md").read_text()
    (example,) = re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)
    assert set(read_graph(example, CLASSES)) == set(json.loads(example))
