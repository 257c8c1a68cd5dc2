"""API keys: `vt_live_<id>_<secret>`. The database holds a digest of the secret, which is shown once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, fields

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import BadRequest, NotFound

from vitrine_gateway.credits import ledger
from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.tables import Account, ApiKey, new_id, table_of
from vitrine_gateway.errors import Forbidden, Unauthorized

SCOPES = {
    "jobs": "submit, read and cancel jobs; files, garments, history and credits",
    "people": "erase a person",
}
_KEY = re.compile(r"vt_live_([0-9a-f]{16})_([A-Za-z0-9-]{43})")
MOST_DAYS = 36_500
USED_EVERY_S = 60.0  # the time of a key's last use is written this often at most


@dataclass(frozen=True)
class KnownKey:
    """What a call needs to know of its key; see the table `api_keys`."""

    id: str
    account_id: str
    digest: str
    scopes: list[str]
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None

    def is_valid(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > time.time())


_keys = table_of(ApiKey)
_KEYS = select(*(_keys.c[column.name] for column in fields(KnownKey))).where(
    _keys.c.id.in_(bindparam("ids", expanding=True))
)


@dataclass(frozen=True)
class Caller:
    """Who calls."""

    account_id: str
    key_id: str  # empty for a call without a key to an old service's route
    scopes: tuple[str, ...]

    def needs(self, scope: str) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope not in self.scopes:
            raise Forbidden(
                f"the call needs a key with the scope {scope!r}, this one has {list(self.scopes)}"
            )


async def account_named(session: AsyncSession, name: str, *, create: bool = False) -> Account:
    """Return the account of this name; make it if `create`, else raise NotFound."""
    account = (await session.scalars(select(Account).where(Account.name == name))).one_or_none()
    if account is None and not create:
        raise NotFound(f"there is no account {name!r}")
    if account is None:
        if not 1 <= len(name) <= 100:
            raise BadRequest(f"the name of an account must have 1 to 100 characters, got {len(name)}")
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        account = Account(
            id=new_id("account"), name=name, credits=0, webhook_secret=secret, created_at=time.time()
        )
        session.add(account)
        await session.flush()
    return account


async def make_key(
    session: AsyncSession, account: Account, *, scopes: Iterable[str] = SCOPES, days: float | None = None
) -> str:
    """Add a key that is valid for `days`, None for ever, and return its text. Raises BadRequest."""
    wanted = list(scopes)
    if unknown := set(wanted) - SCOPES.keys():
        raise BadRequest(f"scopes are {', '.join(SCOPES)}, got {sorted(unknown)}")
    if days is not None and not 0 < days <= MOST_DAYS:  # NaN is neither
        raise BadRequest(f"days must be above 0 and at most {MOST_DAYS:,}, got {days:g}")
    identity, secret = secrets.token_hex(8), secrets.token_urlsafe(32).replace("_", "-")
    now = time.time()
    session.add(
        ApiKey(
            id=identity,
            account_id=account.id,
            digest=_digest(secret),
            scopes=wanted,
            created_at=now,
            expires_at=None if days is None else now + days * 86_400,
        )
    )
    return f"vt_live_{identity}_{secret}"


async def key_with_credits(
    session: AsyncSession,
    name: str,
    credits: int,
    *,
    note: str = "",
    scopes: Iterable[str] = SCOPES,
    days: float | None = None,
) -> str:
    """Add credits to the account `name`, which is made where there is none; return the text of a new key.

    See make_key. `note` is the ledger's word on the credits. Raises BadRequest.
    """
    account = await account_named(session, name, create=True)
    if credits:
        await ledger.grant(session, account.id, credits, note)
    return await make_key(session, account, scopes=scopes, days=days)


async def revoke_key(session: AsyncSession, identity: str) -> None:
    """End a key at once. Raises NotFound."""
    changed = await session.execute(
        update(ApiKey).where(ApiKey.id == identity).values(revoked_at=time.time()).returning(ApiKey.id)
    )
    if changed.first() is None:
        raise NotFound(f"there is no key {identity!r}")


async def find_caller(read: Callable[[str], Awaitable[KnownKey | None]], text: str) -> tuple[Caller, bool]:
    """Return who holds the key, and whether its last use is to be written. Raises Unauthorized.

    `read` returns the row of a key's id.
    """
    form = _KEY.fullmatch(text)
    key = await read(form[1]) if form else None
    if not form or not key or not hmac.compare_digest(key.digest, _digest(form[2])) or not key.is_valid():
        raise Unauthorized("the API key is not valid: it is unknown, expired or revoked")
    caller = Caller(key.account_id, key.id, tuple(key.scopes))
    return caller, key.last_used_at is None or time.time() - key.last_used_at > USED_EVERY_S


async def read_keys(database: Database, identities: Collection[str]) -> dict[str, KnownKey]:
    """Return keys by id. As plain rows: each call reads its key, and an object of the mapper costs more."""
    asked = {"ids": list(identities)}
    found = await database.read(lambda session: [KnownKey(*row) for row in session.execute(_KEYS, asked)])
    return {key.id: key for key in found}


async def note_use(session: AsyncSession, identity: str) -> None:
    """Write that the key was used now."""
    await session.execute(update(ApiKey).where(ApiKey.id == identity).values(last_used_at=time.time()))


def _digest(secret: str) -> str:
    """A fast hash is enough: the secret has 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()
