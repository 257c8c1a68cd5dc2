"""The process that draws templates: reads requests from its input, writes answers, and can do nothing else.

It is started by file, with the standard library and `pytakumi` alone. Before the first request it gives up
the right to open files and sockets, and memory beyond its limit. A message is the length of its JSON and of
the bytes after it, 4 bytes each, then both.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
from typing import Any, BinaryIO

HEAD = struct.Struct("<II")


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None at the end of the stream, also in the middle of one."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    words, more = HEAD.unpack(head)
    said, content = stream.read(words), stream.read(more)
    return (json.loads(said), content) if len(said) == words and len(content) == more else None


def write_message(stream: BinaryIO, said: dict[str, Any], content: bytes = b"") -> None:
    """Write one message."""
    words = json.dumps(said).encode()
    stream.write(HEAD.pack(len(words), len(content)) + words)
    stream.write(content)
    stream.flush()


def confine(memory_bytes: int) -> None:
    """Give up all that drawing does not need: new files and sockets, memory, core files."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def serve(memory_bytes: int) -> None:
    """Answer until the input ends."""
    import pytakumi

    renderer = pytakumi.Renderer(cache_max_bytes=0)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    confine(memory_bytes)
    while (message := read_message(source)) is not None:
        said, content = message
        try:
            answer, pixels = _answer(pytakumi, renderer, said, content)
        except Exception as error:  # told, not raised: the next request may be fine
            answer, pixels = {"error": f"{type(error).__name__}: {error}"[:300]}, b""
        write_message(sink, answer, pixels)


def _answer(
    library: Any, renderer: Any, said: dict[str, Any], content: bytes
) -> tuple[dict[str, Any], bytes]:
    if said["do"] == "font":
        named = {"name": said["name"], "weight": said["weight"]} if said["name"] else {}
        found = renderer.register_font(content, **named)
        return {"families": [[one["name"], one["faces"][0]["index"]] for one in found]}, b""
    options = {"stylesheets": [said["style"]], "lang": said["lang"]}
    if said["do"] == "measure":
        return {"tree": renderer.measure(library.from_html(said["html"]), **options)}, b""
    size = {"width": said["width"], "height": said["height"]}
    return {}, bytes(renderer.render_html(said["html"], format="raw", **size, **options))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
