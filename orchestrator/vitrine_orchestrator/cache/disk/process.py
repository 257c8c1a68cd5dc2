"""Which process wrote something, and whether it still lives: for folders that several containers see."""

from __future__ import annotations

import os


def own_name() -> str:
    """This process among all that share a folder: "{pid namespace}-{pid}"."""
    return f"{_namespace()}-{os.getpid()}"


def is_gone(name: str) -> bool:
    """Whether the process of that name (more may follow after another "-") has surely ended.

    Of another pid namespace, a container's for instance, nothing is sure.
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
        pass  # another user's, or no pid at all
    return False


def _namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "unknown"
