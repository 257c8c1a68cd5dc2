"""Becomes a browser that is shut in: without network and rights, within limits.

It is started by file, with the standard library alone: IN OUT DATA_BYTES CPU_S NETWORK PROGRAM FLAGS…
IN and OUT are the descriptors of the pipes over which Chromium is controlled; it expects them as 3 and 4.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

NOBODY = 65534
STACK_BYTES = 8 * 2**20
"""Of each thread: the server's own are far larger, and all of them count as writable memory."""
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
"""Flags of unshare(2)."""
REFUSED = 97
"""The exit status where the kernel refuses a namespace without a network."""


def leave_network() -> bool:
    """Go into a network namespace that has no way out; whether the kernel allows it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        return libc.unshare(NEW_NETWORK) == 0
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(NEW_USER | NEW_NETWORK) != 0:
        return False
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:
            file.write(line)
    return True


def leave_rights() -> None:
    """Become nobody where this is root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def main(words: list[str]) -> None:
    """Shut the process in and run the program instead of it."""
    source, sink, data_bytes, cpu_s = map(int, words[:4])
    network, program = words[4], words[5:]
    try:
        left = network == "on" or leave_network()
    except OSError:
        left = False
    if not left:
        sys.exit(REFUSED)
    leave_rights()
    resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, STACK_BYTES))
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(source, 3, inheritable=True)
    os.dup2(sink, 4, inheritable=True)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
