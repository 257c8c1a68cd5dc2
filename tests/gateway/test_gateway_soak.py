"""Gateways and workers are killed by SIGKILL under load: a short form of `make soak-gateway`."""

import pytest
from sqlalchemy import delete, update
from vitrine_gateway.database.tables import File, Job, JobEvent, LedgerRow
from vitrine_gateway.soundness import unsound
from vitrine_measure.gateway_soak.soak import Plan, run_soak

WAIT = {"Prefer": "wait=30"}


async def test_kills_lose_nothing_and_charge_once():
    """Two gateways and two workers die; each accepted request is one job, one payment, one message's id."""
    report = await run_soak(Plan(kills=4, seconds=4.0, clients=2))
    assert report.wrong == []
    assert dict(report.kills) == {"gateway": 2, "worker": 2}
    assert report.states["succeeded"] > 0
    assert report.repeats > 0, "no kill met a request: the test has shown nothing"


BREAKS = {
    "charged twice": (delete(LedgerRow).where(LedgerRow.kind == "capture"), "has the payments"),
    "a lost event": (delete(JobEvent).where(JobEvent.number == 2), "gaps in its events"),
    "a wrong end": (update(Job).values(state="failed"), "is failed and"),
    "a result of nobody": (update(Job).values(result=None), "belongs to no job"),
    "other bytes": (update(File).where(File.kind == "result").values(size=1), "its row says 1"),
    "a balance": (update(LedgerRow).where(LedgerRow.kind == "hold").values(amount=0), "sum to"),
}


@pytest.mark.parametrize("name", BREAKS)
async def test_the_checker_sees_what_is_wrong(gateway, shop, form, name):
    """A sound gateway has nothing to tell; each kind of damage is told."""
    await shop.post("/v1/jobs", files=form, headers=WAIT)
    assert await unsound(gateway.parts) == []
    damage, told = BREAKS[name]
    async with gateway.parts.database.writing() as session:
        await session.execute(damage)
    assert any(told in one for one in await unsound(gateway.parts))
