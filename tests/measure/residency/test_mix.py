"""The requests of a measured shop."""

from collections import Counter

import pytest
from vitrine_measure.residency.mix import SHARES, Shop


class Recorder:
    """Notes what is sent."""

    def __init__(self):
        self.sent = []

    def _note(self, kind, options):
        self.sent.append((kind, options))

    async def try_on(self, **options):
        """A try-on."""
        self._note("try-on", options)

    async def product_ad(self, **options):
        """An advertisement."""
        self._note("advertisement", options)

    async def text_to_image(self, **options):
        """A picture."""
        self._note("picture", options)


async def drawn(count, new=0.0):
    """The first requests of a shop, as they are sent."""
    client = Recorder()
    shop = Shop(client, steps=2, timeout_s=9.0, new=new)
    for _ in range(count):
        kind, send = shop.next()
        await send()
        assert client.sent[-1][0] == kind
    return client.sent


async def test_kinds_have_their_shares():
    """70, 25 and 5 %, within what chance allows."""
    seen = Counter(kind for kind, _ in await drawn(40))
    for kind, share in SHARES.items():
        assert seen[kind] / 40 == pytest.approx(share, abs=0.15)


async def test_every_server_gets_the_same_requests():
    """Pictures, prompts and seeds."""
    first, second = await drawn(8), await drawn(8)
    assert [kind for kind, _ in first] == [kind for kind, _ in second]
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert one["seed"] == other["seed"]
        assert one.get("person") == other.get("person")


async def test_customers_return_or_are_new():
    """Six people by default; all different where all are new."""
    returning = {options["person"] for kind, options in await drawn(16) if kind == "try-on"}
    assert len(returning) <= 6
    new = [options["person"] for kind, options in await drawn(8, new=1.0) if kind == "try-on"]
    assert len(set(new)) == len(new)
