"""Runs the pickle opcodes that only build data, and refuses all others by name.

A pickle is a program. The standard library's loader lets it call any importable function, so a malicious file
can take over a server. This machine has no import, no attribute access and no BUILD: a program can only
build numbers, texts, bytes, tuples, lists and dicts, and call the functions that the caller lists.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import BinaryIO

Globals = Mapping[tuple[str, str], object]
Functions = Mapping[tuple[str, str], Callable[..., object]]

# Opcodes grouped by their effect; pickletools documents each.
_NUMBERS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4"}
_TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_PUSH_ARGUMENT = _NUMBERS | _TEXTS | _BYTES
_PUSH_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_PUSH_NEW: dict[str, Callable[[], object]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
_TUPLE_OF_LAST = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MEMO_PUT = frozenset({"BINPUT", "LONG_BINPUT"})
_MEMO_GET = frozenset({"BINGET", "LONG_BINGET"})
_NOTHING = frozenset({"PROTO", "FRAME", "STOP"})


class Refused(ValueError):
    """The file does more than build plain data, or is damaged; the message names the cause."""


def run(
    stream: BinaryIO,
    functions: Functions,
    constants: Globals,
    persistent: Callable[[object], object] | None = None,
) -> object:
    """The object that the pickle at the stream's position builds; reads the stream up to the pickle's end.

    `functions` and `constants` are the only globals; `persistent` resolves persistent ids. Raises
    Refused, or one of the plain errors of a damaged program (IndexError, KeyError, TypeError, ValueError).
    """
    machine = _Machine(functions, constants, persistent)
    for opcode, argument, _ in pickletools.genops(stream):
        machine.step(opcode.name, argument)
    (result,) = machine.stack
    return result


class _Machine:
    """The stack, the stacks below its marks, and the memo."""

    def __init__(
        self, functions: Functions, constants: Globals, persistent: Callable[[object], object] | None
    ) -> None:
        self.functions, self.constants, self.persistent = functions, constants, persistent
        self.stack: list[object] = []
        self.below: list[list[object]] = []
        self.memo: dict[object, object] = {}

    def step(self, name: str, argument: object) -> None:
        """Carry out one opcode."""
        if name in _PUSH_ARGUMENT:
            self.stack.append(argument)
        elif name in _PUSH_CONSTANT:
            self.stack.append(_PUSH_CONSTANT[name])
        elif name in _PUSH_NEW:
            self.stack.append(_PUSH_NEW[name]())
        elif name in _TUPLE_OF_LAST:
            self._fold(_TUPLE_OF_LAST[name])
        elif name in _MEMO_PUT:
            self.memo[argument] = self.stack[-1]
        elif name in _MEMO_GET:
            self.stack.append(self.memo[argument])
        elif own := _OWN.get(name):
            own(self, argument)
        elif name not in _NOTHING:
            raise Refused(f"opcode {name}")

    def _fold(self, count: int) -> None:
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _mark(self, _: object) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[object]:
        since, self.stack = self.stack, self.below.pop()
        return since

    def _tuple(self, _: object) -> None:
        items = tuple(self._since_mark())
        self.stack.append(items)

    def _memoize(self, _: object) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _append(self, _: object) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, _: object) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[object]) -> None:
        if not isinstance(self.stack[-1], list):
            raise Refused("items for what is not a list")
        self.stack[-1].extend(items)

    def _setitem(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _setitems(self, _: object) -> None:
        self._update(self._since_mark())

    def _update(self, pairs: list[object]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise Refused("items for what is not a dict")
        if not all(type(key) in (str, int) for key in pairs[::2]):
            raise Refused("a dict key that is neither text nor number")
        self.stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))

    def _global(self, argument: object) -> None:
        module, _, name = str(argument).partition(" ")
        self._push_global(module, name)

    def _stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._push_global(module, name)

    def _push_global(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            raise Refused("a global without a name")
        found = self.functions.get((module, name), self.constants.get((module, name)))
        if found is None:
            raise Refused(f"global {module}.{name}"[:200])
        self.stack.append(found)

    def _reduce(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        known = next((one for one in self.functions.values() if one is function), None)
        if known is None or not isinstance(arguments, tuple):
            raise Refused("a call of what is not a function")
        self.stack.append(known(*arguments))

    def _persistent_id(self, _: object) -> None:
        if self.persistent is None:
            raise Refused("a persistent id")
        self.stack.append(self.persistent(self.stack.pop()))


_OWN: dict[str, Callable[[_Machine, object], None]] = {
    "MARK": _Machine._mark,
    "TUPLE": _Machine._tuple,
    "MEMOIZE": _Machine._memoize,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._setitem,
    "SETITEMS": _Machine._setitems,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BINPERSID": _Machine._persistent_id,
}
