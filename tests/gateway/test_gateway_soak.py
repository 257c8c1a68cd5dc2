"""Gateways and workers are killed by SIGKILL under load: a short form of `make soak-gateway`."""

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


DAMAGES = (
    (update(LedgerRow).where(LedgerRow.kind == "hold").values(amount=0), "its rows sum to"),
    (update(File).where(File.kind == "result").values(size=1), "its row says 1"),
    (delete(JobEvent).where(JobEvent.number == 2), "has gaps in its events"),
    (delete(LedgerRow).where(LedgerRow.kind == "capture"), "is succeeded and has the payments ['hold']"),
    (update(Job).values(webhook="https://example.org/"), "has 0 messages, not 1"),
    (update(Job).values(result=None), "belongs to no job"),
    (update(Job).values(state="canceled"), "is canceled and its events tell the ends ['succeeded']"),
)
"""Statements that damage a database, one after the other, and what the checker says of each."""


async def test_the_checker_sees_what_is_wrong(gateway, shop, form):
    """A sound gateway has nothing to tell; each kind of damage is told."""
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    while job["status"] != "succeeded":  # of a crowded machine
        job = (await shop.get(job["urls"]["self"], headers=WAIT)).json()
    assert await unsound(gateway.parts) == []
    for damage, told in DAMAGES:
        async with gateway.parts.database.writing() as session:
            await session.execute(damage)
        assert any(told in one for one in await unsound(gateway.parts)), told
