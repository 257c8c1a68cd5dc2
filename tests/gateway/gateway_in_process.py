"""A gateway in the test's own process: what its fixtures and the tests share."""

import asyncio
import os

import httpx2
from vitrine import AsyncFakeTransport, AsyncVitrine, FakeTransport
from vitrine_gateway.accounts.keys import SCOPES, key_with_credits
from vitrine_gateway.app import create_app
from vitrine_gateway.credits import ledger
from vitrine_gateway.settings import Settings
from vitrine_measure.gateway_serving import served as in_a_thread

CREDITS = 100


class SlowFake(AsyncFakeTransport):
    """The client's fake with a pause before each response of a stream."""

    def __init__(self, pause_s=0.0):
        super().__init__(FakeTransport())
        self.pause_s = pause_s

    async def stream(self, model, inputs, *, timeout_s, version=""):
        async for outputs in super().stream(model, inputs, timeout_s=timeout_s, version=version):
            await asyncio.sleep(self.pause_s)
            yield outputs


class Running:
    """A running gateway, with a client for each account that a test makes."""

    def __init__(self, app, transport):
        self.app, self.transport, self.parts = app, transport, app.state.gateway
        self.clients = []

    async def account(self, name="shop", credits=CREDITS, scopes=SCOPES):
        """A client whose key belongs to the account `name`."""
        async with self.parts.database.writing() as session:
            key = await key_with_credits(session, name, credits, scopes=scopes)
        return self.client({"Authorization": f"Bearer {key}"})

    def client(self, headers=None):
        """A client with these headers."""
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app), base_url="http://gateway", headers=headers
        )
        self.clients.append(client)
        return client

    async def query(self, statement):
        """The rows of a statement."""
        async with self.parts.database.reading() as session:
            return (await session.execute(statement)).all()

    async def unbalanced(self):
        """What is wrong in the ledger."""
        async with self.parts.database.reading() as session:
            return await ledger.unbalanced(session)


def serving(transport):
    """Serve on loopback in a thread, with the settings of the environment; give the address."""
    settings = Settings.from_environment(os.environ)
    return in_a_thread(create_app(settings, lambda _: AsyncVitrine(transport=transport)))
