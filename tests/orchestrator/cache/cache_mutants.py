"""Each function here removes one safeguard of the cache by a patch.

A safeguard whose removal fails no test is not tested: see test_mutants.py. `patch` is called like setattr.
"""

import os
from types import SimpleNamespace

from vitrine_orchestrator.cache import generations, layout, memory, objects, store, tiered
from vitrine_orchestrator.cache import tiered_memo as memo
from vitrine_orchestrator.cache.disk import envelope, space
from vitrine_orchestrator.cache.disk import files as folder
from vitrine_orchestrator.cache.disk import tier as disk


def no_checksum(patch):
    """Files are trusted without a check of their content."""
    patch(disk, "is_whole", lambda header, key, value: True)


def no_key_in_the_checksum(patch):
    """The key in a file is not compared."""

    def is_whole(header, key, value):
        return envelope.is_whole(header, SimpleNamespace(digest=header.key_digest), value)

    patch(disk, "is_whole", is_whole)


def no_rename(patch):
    """Entries are written in place, in pieces."""

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
    """All leases of the memory are equal, so it keeps every put."""
    patch(generations.OwnGenerations, "now", lambda self, owner: b"always")


def no_renewal(patch):
    """Memories do not see that another process recomputed a value."""
    patch(generations.SharedGenerations, "renew", lambda self, name: None)


def no_generation_in_the_store(patch):
    """All leases of the store are equal."""

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
    """Objects are trusted without a check of their digest."""

    async def believed(self, path, stored):
        return await objects.get_whole(self.objects, path, stored.bytes)

    patch(store.Store, "_object", believed)


def no_if_match(patch):
    """Parts are requested without the object's tag, and digests are not compared."""
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
    """A value used once is kept like one used often."""
    patch(memory.SegmentedLru, "use", lambda self, key: self.probation.move_to_end(key))


def sliding_expiry(patch):
    """Each read restarts a value's age."""
    real = memory.Memory.get

    async def get(self, key):
        got = await real(self, key)
        if entry := self._lru(key).peek(key):
            entry.created_s = self.clock()
        return got

    patch(memory.Memory, "get", get)


def shared_across_invalidations(patch):
    """A caller after an invalidation may join work that began before it."""
    real = memo.SingleFlight.run
    patch(memo.SingleFlight, "run", lambda self, name, make: real(self, name[0], make))


def no_tombstones(patch):
    """While an invalidation waits for the store, the store's values are still served."""

    async def is_pending(self, owner):
        return False

    patch(tiered.Tiered, "_is_pending", is_pending)


def no_sum(patch):
    """Puts are not counted, so nothing is evicted before the next start."""
    patch(space.Space, "reserve", lambda self, size, now_s: 0)


def one_name_for_all_ids(patch):
    """Ids are used in paths unchanged."""
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
