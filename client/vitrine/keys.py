"""Keys of finished pictures, and the paths that they are kept under."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vitrine.errors import BadRequest
from vitrine.inputs import Tensors

Versions = Mapping[str, str | Sequence[str]]
"""For "person_id" and "garment_id": what changes whenever the picture behind the id does."""

_DOMAIN = "vitrine result key 1"  # another number here: all keys are new
_IDS = {"person_id": "person", "garment_id": "garment"}  # an id, and the picture that makes it unneeded
_SAFE = re.compile(r"[A-Za-z0-9_-]")
_LONGEST = 200  # bytes of an encoded id; S3 takes 1024 for a whole path
_KEY = re.compile(r"[0-9a-f]{64}")


def old_result_key(user_id: str, full_body_image: str, clothing_ids: Iterable[str]) -> str:
    """The key of results stored by the service before this one, byte for byte as its TypeScript made it.

    sha256(userId + ":" + md5(fullBodyImage)[:8] + ":" + clothingIds.sort().join(",")), all in hexadecimal.
    Only for finding old results: steps, seed and category are not in it, and ids with "," or ":" collide.
    """
    model_hash = hashlib.md5(_javascript_utf8(full_body_image), usedforsecurity=False).hexdigest()[:8]
    garments = ",".join(sorted(clothing_ids, key=_code_units))
    return hashlib.sha256(_javascript_utf8(f"{user_id}:{model_hash}:{garments}")).hexdigest()


def result_key(inputs: Tensors, *, pipeline_digest: str, versions: Versions | None = None) -> str:
    """The key of a request's picture: 64 hexadecimal digits over everything that can change it.

    `inputs` are those of `try_on_inputs`: pictures count by their bytes, and an id that comes without its
    picture needs its version. Everything is hashed with its length, so that no two requests look alike;
    texts are taken as they are, without normalising case or Unicode forms. Without a seed the key stands
    for any picture of the request.
    """
    hashed = hashlib.sha256()
    _add(hashed, _DOMAIN.encode(), pipeline_digest.encode("utf-8", "surrogatepass"))
    for name in sorted(inputs):
        tensor = inputs[name]
        values = tensor.tolist() if tensor.dtype == np.object_ else [np.ascontiguousarray(tensor).tobytes()]
        _add(hashed, b"input", name.encode(), tensor.dtype.str.encode(), repr(tensor.shape).encode(), *values)
    for name, version in _versions_of(inputs, versions or {}).items():
        _add(hashed, b"version", name.encode(), *(one.encode("utf-8", "surrogatepass") for one in version))
    return hashed.hexdigest()


def result_path(user: str, key: str, ending: str = ".png") -> str:
    """Where a result is kept: vto/{user}/{key}.png, the old service's layout, safe for any user id."""
    if not _KEY.fullmatch(key):
        raise BadRequest(f"key must be 64 hexadecimal digits, got {key[:80]!r}")
    return f"vto/{path_segment(user)}/{key}{ending}"


def path_segment(identity: str) -> str:
    """An id as one segment of a path; different ids give different segments.

    Letters, digits, "-" and "_" stay; every other byte of its UTF-8 becomes %XX, so "..", "/" and NUL are
    harmless. Ids that would be longer than 200 bytes become "~" and their SHA-256, the empty id "~".
    """
    if not isinstance(identity, str):
        raise BadRequest(f"an id must be text, got {type(identity).__name__}")
    raw = identity.encode("utf-8", "surrogatepass")
    segment = "".join(chr(byte) if _SAFE.match(chr(byte)) else f"%{byte:02X}" for byte in raw)
    if len(segment) > _LONGEST:
        return "~" + hashlib.sha256(raw).hexdigest()
    return segment or "~"


def _versions_of(inputs: Tensors, versions: Versions) -> dict[str, list[str]]:
    """The versions of ids that stand for pictures: one for each id, and none for anything else."""
    if unknown := versions.keys() - _IDS.keys():
        raise BadRequest(f"versions are of {', '.join(_IDS)}, got {sorted(unknown)}")
    found = {}
    for name, picture in _IDS.items():
        given = versions.get(name, ())
        version = [given] if isinstance(given, str) else list(given)
        needed = len(inputs[name]) if name in inputs and picture not in inputs else 0
        if needed and len(version) != needed:
            raise BadRequest(
                f"{name} needs {needed} version(s), got {len(version)}: "
                "an id cannot tell that its picture changed"
            )
        if version:
            found[name] = version
    return found


def _add(hashed: hashlib._Hash, *parts: bytes) -> None:
    """Add a list: its length, then each part with its length."""
    hashed.update(len(parts).to_bytes(8, "big"))
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)


def _code_units(text: str) -> bytes:
    """Sorts as JavaScript's default sort does: by UTF-16 code units, so that 😀 comes before U+FFFD."""
    return text.encode("utf-16-be", "surrogatepass")


def _javascript_utf8(text: str) -> bytes:
    """Node's UTF-8: surrogates that make a pair are one character, lone ones become U+FFFD each."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
