"""The cache with one of its safeguards taken out, each by a function that patches it.

A safeguard whose removal no test notices is not tested: see test_mutants.py. `patch` is called as setattr is.
"""

import os
from types import SimpleNamespace

from vitrine_orchestrator.cache import generations, layout, memory, objects, store, tiered
from vitrine_orchestrator.cache import tiered_memo as memo
from vitrine_orchestrator.cache.disk import envelope, space
from vitrine_orchestrator.cache.disk import files as folder
from vitrine_orchestrator.cache.disk import tier as disk


def no_checksum(patch):
    """Files are believed whatever they hold."""
    patch(disk, "is_whole", lambda header, key, value: True)


def no_key_in_the_checksum(patch):
    """A file is not asked whose it is."""

    def is_whole(header, key, value):
        return envelope.is_whole(header, SimpleNamespace(digest=header.key_digest), value)

    patch(disk, "is_whole", is_whole)


def no_rename(patch):
    """Entries are written where they lie, in pieces."""

    def write(self, key, header, value, use):
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = self._os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for part in (header, value[: len(value) // 2], value[len(value) // 2 :]):
            self._os.write(fd, part)
        self._os.close(fd)

    patch(folder.Folder, "write", write)


def no_generation_on_disk(patch):
    """A file's lease is not compared, and files of forgotten owners may stay."""
    real = disk.Disk._check

    def check(self, key, lease, at, opened):
        return real(self, key, opened.header.lease if opened.header else lease, at, opened)

    patch(disk.Disk, "_check", check)
    patch(folder.Folder, "remove_owner", lambda self, owner: None)


def no_generation_in_memory(patch):
    """Memory's leases are all the same, so it keeps what is put whenever the work on it began."""
    patch(generations.OwnGenerations, "now", lambda self, owner: b"always")


def no_renewal(patch):
    """Memories are not told that another process makes a value anew."""
    patch(generations.SharedGenerations, "renew", lambda self, name: None)


def no_generation_in_the_store(patch):
    """The store's leases are all the same."""

    async def lease(self, owner):
        return b"-/-"

    patch(store.Store, "_lease", lease)


def no_flush(patch):
    """An invalidation is reported before it is on disk."""
    real = generations.SharedGenerations.void

    def void(self, owner):
        given = self._os
        self._os = SimpleNamespace(pwrite=given.pwrite, fstat=given.fstat, fsync=lambda fd: None)
        real(self, owner)
        self._os = given

    patch(generations.SharedGenerations, "void", void)


def no_digests_in_the_store(patch):
    """Objects are believed whatever they hold."""

    async def believed(self, path, stored):
        return await objects.get_whole(self.objects, path, stored.bytes)

    patch(store.Store, "_object", believed)


def no_if_match(patch):
    """Parts of an object are asked for without its tag, and digests are not compared either."""
    no_digests_in_the_store(patch)


def manifest_first(patch):
    """The manifest is written before the objects that it names."""
    real = objects.S3Objects.put
    held = []

    async def put(self, path, data):
        if path.endswith((layout.MANIFEST, "/generation")):
            tag = await real(self, path, data)
            for late in held:
                await real(self, *late)
            held.clear()
            return tag
        held.append((path, data))
        return None

    patch(objects.S3Objects, "put", put)


def plain_lru(patch):
    """A value that was used once is as good as one used often."""
    patch(memory.SegmentedLru, "use", lambda self, key: self.probation.move_to_end(key))


def sliding_expiry(patch):
    """Each read makes a value young again."""
    real = memory.Memory.get

    async def get(self, key):
        got = await real(self, key)
        if entry := self._lru(key).peek(key):
            entry.created_s = self.clock()
        return got

    patch(memory.Memory, "get", get)


def shared_across_invalidations(patch):
    """Who asks after an invalidation may join work that began before it."""
    real = memo.SingleFlight.run
    patch(memo.SingleFlight, "run", lambda self, name, make: real(self, name[0], make))


def no_tombstones(patch):
    """While an invalidation waits for the store, what that holds is served as if nothing had happened."""

    async def is_pending(self, owner):
        return False

    patch(tiered.Tiered, "_is_pending", is_pending)


def no_sum(patch):
    """Nobody counts what is put, so nothing is evicted before the next start."""
    patch(space.Space, "reserve", lambda self, size, now_s: 0)


def one_name_for_all_ids(patch):
    """Ids are used in paths as they are."""
    patch(layout, "_segment", lambda text: text)


MUTANTS = {
    function.__name__: function
    for function in (
        no_checksum,
        no_key_in_the_checksum,
        no_rename,
        no_generation_on_disk,
        no_generation_in_memory,
        no_renewal,
        no_generation_in_the_store,
        no_flush,
        no_digests_in_the_store,
        no_if_match,
        manifest_first,
        plain_lru,
        sliding_expiry,
        shared_across_invalidations,
        no_tombstones,
        no_sum,
        one_name_for_all_ids,
    )
}
