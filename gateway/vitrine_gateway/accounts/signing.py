"""Signs with the secret that all processes of a gateway share: links to pictures, names of persons."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.tables import Secret
from vitrine_gateway.errors import Unauthorized

_NAME = "signing"


class Signer:
    """Makes and checks HMACs of texts; each purpose has signatures of its own."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, purpose: str, *parts: str) -> str:
        """Return 64 hexadecimal digits."""
        text = "\0".join((purpose, *(f"{len(part)}:{part}" for part in parts)))
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def link(self, file_id: str, expires: int) -> str:
        """Return the path of a picture, valid until `expires` (seconds since 1970)."""
        return f"/v1/files/{file_id}/content?exp={expires}&sig={self.sign('link', file_id, str(expires))}"

    def check_link(self, file_id: str, expires: int, signature: str, now: float) -> None:
        """Raise Unauthorized unless the link is ours and still valid."""
        ours = self.sign("link", file_id, str(expires))
        if not hmac.compare_digest(ours.encode(), signature.encode("utf-8", "replace")) or expires < now:
            raise Unauthorized("the link is not valid or has expired: ask for the job again")

    def person_id(self, account_id: str, user: str) -> str:
        """Return the name of a person in the server's caches: no other account can name it."""
        return "gateway-" + self.sign("person", account_id, user)[:40]


async def open_signer(database: Database) -> Signer:
    """Return the signer of this database; the first process makes the secret."""
    try:
        async with database.writing() as session:
            found = await session.scalar(select(Secret.value).where(Secret.name == _NAME))
            if found is None:
                session.add(Secret(name=_NAME, value=secrets.token_bytes(32)))
    except IntegrityError:
        pass  # another process was first
    async with database.reading() as session:
        return Signer((await session.scalars(select(Secret.value).where(Secret.name == _NAME))).one())
