"""MiniStack, a second and independent S3 server, stores objects in files and compares checksums.

It is in a folder outside the environment, since it pins another botocore than boto3. It listens on loopback,
on a free port, with credentials given; its process is ended by its id.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from vitrine_orchestrator.embedded.ports import free_port

PACKAGES = Path(sys.prefix) / "ministack"
START = "from ministack.app import main; main()"
START_S = 120.0
KEYS = ("key", "secret")
BUCKET = "wardrobe"


class SecondStore:
    """A server over `folder`, which can be killed and started any number of times."""

    def __init__(self, folder: Path) -> None:
        assert PACKAGES.is_dir(), f"{PACKAGES} is missing: run make setup"
        self.folder, self.port = folder, free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server on the same port; returns when it answers."""
        folders = {"S3_DATA_DIR": "objects", "STATE_DIR": "state", "HOME": ".", "TMPDIR": "."}
        self.folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", START],
            cwd=self.folder,
            env={name: str(self.folder / inside) for name, inside in folders.items()}
            | {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGES)}
            | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port), "S3_PERSIST": "1"}
            | {"SERVICES": "s3", "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "LOG_LEVEL": "WARNING"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + START_S
        while not self._answers():
            assert self.process.poll() is None, "it ended"
            assert time.monotonic() < give_up, "it does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill the server by SIGKILL, so that it finishes and flushes nothing."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def make_bucket(self) -> None:
        """The bucket of the tests."""
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEYS[0],
            aws_secret_access_key=KEYS[1],
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()

    def files(self) -> list[Path]:
        """The files of all objects, without the server's own notes about them."""
        found = (path for path in (self.folder / "objects").rglob("*") if path.is_file())
        return sorted(path for path in found if not path.name.endswith(".meta.json"))

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


@contextlib.asynccontextmanager
async def damaging(port: int, marker: bytes):
    """Start a proxy that damages uploads which hold `marker`; returns its endpoint."""

    open_ones = []

    async def carry(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", port)
        open_ones.extend((writer, back, asyncio.create_task(_pour(there, writer))))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].partition(b":")[2]) if length else 0)
                back.write(head + body.replace(marker, bytes(len(marker))))
                await back.drain()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    try:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for one in open_ones:
            if isinstance(one, asyncio.Task):
                one.cancel()
            else:
                one.transport.abort()
        await asyncio.sleep(0.05)  # aborted transports close with the loop's next turn


async def _pour(reader, writer):
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
