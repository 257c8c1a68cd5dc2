"""Stand-ins for the `os` module in the disk tier, which fail on purpose."""

import os
import signal


class FaultyOs:
    """Behaves like `os`, but the n-th call (from 1) of the named functions fails.

    at=None: every call fails. names=None: any function counts. fault: an errno to raise, or "kill" to die by
    SIGKILL immediately. fsync only counts, since it is slow and no power fails here.
    """

    def __init__(self, fault, at=None, names=None):
        self.fault, self.at, self.names = fault, at, names
        self.calls = []

    def __getattr__(self, name):
        real = getattr(os, name) if name != "fsync" else _no_sync
        if not callable(real) or isinstance(real, type) or (self.names and name not in self.names):
            return real

        def call(*args, **more):
            self.calls.append(name)
            if self.at in (None, len(self.calls)):
                if self.fault == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if name == "close":
                    real(*args)  # Linux closes the file even when it reports an error: close(2)
                raise OSError(self.fault, os.strerror(self.fault))
            return real(*args, **more)

        return call


def _no_sync(fd):
    """Replaces os.fsync."""


UNSYNCED = FaultyOs(fault=0, at=0)  # no fault at all


class ShortWrites:
    """Behaves like `os`, but each write takes at most 1000 bytes, as with a signal or a full disk."""

    def __getattr__(self, name):
        return getattr(os, name)

    def writev(self, fd, parts):
        return os.write(fd, b"".join(parts)[:1000])

    def write(self, fd, data):
        return os.write(fd, data[:1000])
