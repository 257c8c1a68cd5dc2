"""Names of processes in folders that several containers share, and whether a named process has ended."""

from __future__ import annotations

import os


def own_name() -> str:
    """The name of this process, unique among all that share a folder: "{pid namespace}-{pid}"."""
    return f"{_namespace()}-{os.getpid()}"


def is_gone(name: str) -> bool:
    """Whether the process with this name (text after a second "-" is ignored) has certainly ended.

    False for a process of another pid namespace, such as another container's, because it cannot be checked.
    """
    namespace, _, rest = name.partition("-")
    pid = rest.partition("-")[0]
    if namespace != _namespace() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass  # the process of another user, or not a valid pid
    return False


def _namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "unknown"
