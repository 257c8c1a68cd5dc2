"""A memo for tests of prepared values."""


class Kept:
    """A memo that keeps everything by key."""

    def __init__(self):
        self.values, self.notes = {}, {}

    async def get_or_compute(self, key, compute, able=True):
        if key in self.values:
            return self.values[key], "memory"
        self.values[key] = await compute()
        return self.values[key], "fresh"

    async def peek(self, key):
        return self.values.get(key, self.notes.get(key))

    async def note(self, key, arrays):
        return self.notes.setdefault(key, arrays)

    async def forget(self, owner):
        self.values = {key: value for key, value in self.values.items() if key.owner != owner}
        self.notes = {key: value for key, value in self.notes.items() if key.owner != owner}
