"""The verdicts of the cache's benchmark, without any timing."""

from types import SimpleNamespace

import pytest
from vitrine_measure.cache.bench import table
from vitrine_measure.cache.rows import Row, one_set
from vitrine_measure.cache.warm import outside
from vitrine_orchestrator.adapters.metrics import CacheMetrics, FakeMetrics
from vitrine_orchestrator.cache.codec import encode
from vitrine_orchestrator.cache.key import Key


@pytest.mark.parametrize(
    ("median", "at_least", "met"),
    [(1.0, False, True), (1.1, False, False), (1.1, True, True), (0.9, True, False)],
)
def test_a_row_keeps_its_limit_or_not(median, at_least, met):
    """A row is judged by its median, and the table shows the verdict."""
    row = Row("what", "ms", 0.5, median, 9.0, 1.0, at_least)
    assert row.met == met
    assert ("NOT MET" in table([row])) != met
    assert Row("told only", "ms", 1e9, 1e9, 1e9).met


def test_the_set_is_that_of_the_old_service():
    """The set has eleven arrays of about 25 MB under three keys."""
    values = one_set()
    assert len(values) == 3
    assert sum(map(len, values.values())) == 11
    assert 24e6 < sum(len(encode(arrays)) for arrays in values.values()) < 27e6


def test_what_is_neither_denoised_nor_decoded_is_outside():
    """The time outside is the total without denoising and decoding, by the server's own timings."""
    timings = {"total": 2.0, "denoise": 1.8, "vae_decoder": 0.15, "encode": 0.02}
    assert outside(SimpleNamespace(timings=timings)) == pytest.approx(0.025)


async def test_the_metrics_port_learns_what_memory_and_disk_hold(opened):
    """Entries and bytes are reported by part; reading them again adds nothing."""
    cache, metrics = opened(store="off"), FakeMetrics()
    told, key = CacheMetrics(cache, metrics), Key("garment", "garment:coat", "recipe")
    for source in ("memory", "disk"):
        lease = (await cache.memo.tiers.tiers[source].get(key)).lease
        assert await cache.memo.tiers.tiers[source].put(key, b"x" * 1000, lease)
    for _ in range(2):
        told.publish()
        told.publish_disk()
    assert metrics.sums["vitrine_cache_entries", "garment"] == 1
    assert metrics.sums["vitrine_cache_bytes", "garment"] == 1000
    assert metrics.sums["vitrine_cache_entries", "disk"] == 1
    assert metrics.sums["vitrine_cache_bytes", "disk"] > 1000
    await cache.clear(key.owner)
    told.publish()
    told.publish_disk()
    assert {metrics.sums["vitrine_cache_bytes", part] for part in ("garment", "disk")} == {0}
