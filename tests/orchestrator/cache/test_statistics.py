"""Statistics of the processes that share a folder."""

import pytest
from vitrine_orchestrator.cache.statistics import SharedStatistics


@pytest.mark.parametrize(
    "text", ["null", "[1]", '{"counts": {"misses": null}, "sizes": {"a": 1}}', '{"counts": 1}', "[" * 100_000]
)
def test_a_damaged_file_of_statistics_counts_nothing(tmp_path, text):
    """Other processes' figures are read all the same."""
    statistics = SharedStatistics(tmp_path)
    statistics.write({"misses": 2}, {})
    (tmp_path / "other.json").write_text(text)
    assert statistics.read()[0]["misses"] == 2
