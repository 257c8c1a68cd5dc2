"""Garments: pictures that an account keeps until it deletes them, for jobs of any day.

Registering one earns credits if its picture has earned none for the account before, and within a limit for
24 hours. What was paid stays known after the garment is deleted, by an HMAC of the picture.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import NotFound

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.credits import ledger
from vitrine_gateway.credits.prices import REWARDS
from vitrine_gateway.database.deadlocks import despite_deadlocks
from vitrine_gateway.database.tables import File, Garment, Reward
from vitrine_gateway.errors import TooManyGarments
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.fields import Category
from vitrine_gateway.jobs.submitting import check_user
from vitrine_gateway.pages import after
from vitrine_gateway.pictures.keeping import discard, keep
from vitrine_gateway.pictures.reading import Upload

REWARD = "register_garment"
LIMIT_S = 86_400.0  # the time that the limit on rewards looks back


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must have printable characters only")
    return text


class GarmentFields(BaseModel):
    """What is told of a garment beside its picture; an omitted field is empty."""

    model_config = ConfigDict(extra="forbid")

    user: Annotated[str, Field(max_length=200)] = ""
    name: Annotated[str, Field(max_length=200), AfterValidator(_printable)] = ""
    category: Literal[Category, ""] = ""
    description: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""  # PostgreSQL keeps no NUL


@dataclass(frozen=True)
class Registered:
    """What a registration has made and paid."""

    garment: Garment
    earned: int  # credits, 0 if the picture has earned before or the limit is reached
    credits: int  # of the account, afterwards


async def register(gateway: Gateway, caller: Caller, fields: GarmentFields, picture: Upload) -> Registered:
    """Keep a garment and pay for it, both or neither. Raises BadRequest and TooManyGarments.

    The account is locked first, so that of two registrations at the same time one sees what the other did.
    """
    check_user(fields.user)
    file = await keep(gateway, caller.account_id, fields.user, "garment", picture)
    garment = Garment(
        file=file, account_id=file.account_id, created_at=file.created_at, **fields.model_dump()
    )

    async def add() -> Registered:
        async with gateway.database.writing() as session:
            credits = await ledger.lock(session, caller.account_id)
            await _check_room(session, caller.account_id, gateway.settings.max_garments)
            session.add(garment)
            earned = await _reward(session, gateway, file)
        return Registered(garment, earned, credits + earned)

    try:
        return await despite_deadlocks(add)  # with an erasure
    except BaseException:
        await discard(gateway, [file])
        raise


async def listed(
    session: AsyncSession, caller: Caller, *, user: str | None, cursor: str | None, limit: int
) -> list[Garment]:
    """Return up to `limit` + 1 garments after the cursor, the newest first; of one user if it is given."""
    wanted = [Garment.account_id == caller.account_id, *after(cursor, Garment.created_at, Garment.id)]
    wanted += [Garment.user == user] if user is not None else []
    newest = select(Garment).where(*wanted).order_by(Garment.created_at.desc(), Garment.id.desc())
    return list(await session.scalars(newest.limit(limit + 1)))


async def find(session: AsyncSession, caller: Caller, garment_id: str) -> Garment:
    """Return a garment of the caller's account; NotFound also for a garment of another one."""
    garment = await session.get(Garment, garment_id)
    if garment is None or garment.account_id != caller.account_id:
        raise NotFound(f"there is no garment {garment_id[:60]!r}")
    return garment


async def remove(gateway: Gateway, caller: Caller, garment_id: str) -> None:
    """Delete a garment with its picture. Raises NotFound as `find` does; after other errors call it again.

    What it has earned stays paid, and its picture earns nothing again.
    """
    async with gateway.database.reading() as session:
        garment = await find(session, caller, garment_id)
    await gateway.pictures.delete(garment.file.path)  # the bytes first: without a row nobody would find them
    async with gateway.database.writing() as session:
        await session.execute(delete(File).where(File.id == garment.id))  # the garment's row goes with it


async def _check_room(session: AsyncSession, account_id: str, most: int) -> None:
    count = await session.scalar(select(func.count()).where(Garment.account_id == account_id)) or 0
    if count >= most:
        raise TooManyGarments(f"an account may have {most} garments, this one has {count}: delete some first")


async def _reward(session: AsyncSession, gateway: Gateway, file: File) -> int:
    """Pay for a picture that has earned nothing before, within the limit; return what was paid.

    The account must be locked.
    """
    account_id, now = file.account_id, time.time()
    key = gateway.signer.sign("reward", account_id, file.sha256)
    if await session.get(Reward, (account_id, key)) is not None:
        return 0
    recent = select(func.count()).where(Reward.account_id == account_id, Reward.at > now - LIMIT_S)
    if (await session.scalar(recent) or 0) >= gateway.settings.rewarded_garments:
        return 0
    session.add(Reward(account_id=account_id, key=key, at=now))
    await ledger.grant(session, account_id, REWARDS[REWARD], REWARD, kind="reward")
    return REWARDS[REWARD]
