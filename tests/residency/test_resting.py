"""The process of a network that rests when the owner asks."""

import asyncio
import subprocess
import sys
import threading

import pytest
from test_owner import loader as loader
from test_owner import owned, ready, stages_on
from vitrine_orchestrator.residency.resting import Resting, has_budget


class Process:
    """A network's process that takes 30 at work and 20 at rest, in a thread."""

    def __init__(self, model, answers=True):
        self.model, self.rests, self.answers = model, 0, answers

    def give_back(self):
        """Count; the first time is its start."""
        self.rests += 1
        if self.rests > 1 and not self.answers:
            raise OSError("killed")
        return 20

    def start(self, address):
        """Serve one owner until it ends."""
        resting = Resting(address, self.model, self.give_back)

        def serve():
            try:
                resting.serve()
            except OSError:
                assert not self.answers

        threading.Thread(target=serve, daemon=True).start()


async def until(true):
    """Wait until something is true."""
    while not true():
        await asyncio.sleep(0.01)


async def test_models_share_the_memory_of_their_work(loader):
    """Both stay loaded; each call has the other's process rest."""
    async with owned(loader, 10 + 55, estimates={"pose": 30, "vae": 30}) as (owner, link, _):
        await ready(owner)
        for name in ("pose", "vae"):
            Process(name).start(link._address)
        await until(lambda: "vae" in loader.inside)
        for name in ("pose", "vae", "pose", "vae"):
            assert await stages_on(link, loader)(name, {}) == name
        assert owner.residency.loads == 2
        assert owner.residency.rests >= 3
        (resting,) = [one for one in owner.state()["models"] if one["state"] == "at rest"]
        assert (resting["name"], resting["rest_bytes"]) == ("pose", 20)


async def test_a_process_that_dies_while_it_goes_to_rest_holds_nobody_up(loader):
    """Its model is unloaded instead, as one that cannot rest."""
    async with owned(loader, 10 + 55, estimates={"pose": 30, "vae": 30}) as (owner, link, _):
        await ready(owner)
        Process("pose", answers=False).start(link._address)
        await until(lambda: owner.residency.rests)
        assert await asyncio.wait_for(stages_on(link, loader)("vae", {}), 4) == "vae"
        assert "-pose" in loader.log


@pytest.mark.parametrize(("settings", "budget"), [({}, False), ({"VITRINE_MEMORY": "1GiB"}, True)])
def test_only_a_server_with_a_budget_has_processes_that_rest(settings, budget):
    """Without one nothing changes."""
    assert has_budget(settings) is budget


HEAP = """
import numpy as np
from vitrine_orchestrator.residency.process_bytes import resident_bytes
from vitrine_orchestrator.residency.resting import give_back, keep_heap
import os
MIB = 2**20
keep_heap()
before = give_back()
arrays = [np.ones(MIB) for _ in range(16)]  # 8 MiB each
last = np.ones(10)
del arrays
kept = resident_bytes(os.getpid())
assert kept > before + 100 * MIB, "the heap does not keep what is freed"
assert give_back() < before + 8 * MIB
assert last.sum() == 10
"""


def test_a_process_gives_back_what_was_freed_and_goes_on():
    """The heap keeps freed memory for the next call until it is asked for."""
    subprocess.run([sys.executable, "-c", HEAP], check=True)


MAPPED = """
import mmap, os, sys
path = os.fsencode(sys.argv[1]) + b"/caf\\xc3\\xa9\\xff"
with open(path, "w+b") as file:
    file.write(bytes(4096))
    file.flush()
    held = mmap.mmap(file.fileno(), 4096)
    from vitrine_orchestrator.residency.resting import give_back
    assert give_back() > 0
"""


def test_a_process_rests_in_any_locale_and_below_any_path(tmp_path):
    """The kernel's list of what it maps has the bytes of paths, whatever they mean."""
    words = [sys.executable, "-I", "-X", "utf8=0", "-c", MAPPED, str(tmp_path)]
    environment = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
