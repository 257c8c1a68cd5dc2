"""Names of persons and garments at the Vitrine server, which has one space of names for all accounts.

The account of the setting `old_account` uses them as they are: they are the old service's own. Every other
account has names that nobody else can write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from vitrine_gateway.database.tables import Account
from vitrine_gateway.gateway import Gateway


async def owns_names(gateway: Gateway, account_id: str) -> bool:
    """Whether the account is that of the old service."""
    if not gateway.settings.old_account:
        return False
    async with gateway.database.reading() as session:
        name = await session.scalar(select(Account.name).where(Account.id == account_id))
    return name == gateway.settings.old_account


async def names_of(
    gateway: Gateway, account_id: str, user: str, request: Mapping[str, Any]
) -> tuple[str | None, list[str]]:
    """Return the names of a job's person and garments at the server; a user is a person's name too."""
    person, garments = request["person_id"], list(request["garment_ids"])
    signer = gateway.signer
    if person is None and not garments:
        return signer.person_id(account_id, user) if user else None, []
    if await owns_names(gateway, account_id):
        return person or (signer.person_id(account_id, user) if user else None), garments
    named = person or user
    own = [f"gateway-{signer.sign('garment', account_id, one)[:40]}" for one in garments]
    return signer.person_id(account_id, named) if named else None, own
