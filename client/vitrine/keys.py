"""Keys of finished pictures, and their paths in the store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vitrine.errors import BadRequest
from vitrine.inputs import Tensors

Versions = Mapping[str, str | Sequence[str]]
"""By "person_id" and "garment_id": a version that changes whenever the picture of the id changes."""

_DOMAIN = "vitrine result key 1"  # another number changes every key
_IDS = {"person_id": "person", "garment_id": "garment"}  # an id, and the picture that replaces it
_SAFE = re.compile(r"[A-Za-z0-9_-]")
_LONGEST = 200  # bytes of an encoded id; longer ids are hashed, because S3 limits a whole path to 1024
_KEY = re.compile(r"[0-9a-f]{64}")


def old_result_key(user_id: str, full_body_image: str, clothing_ids: Iterable[str]) -> str:
    """Return the key of results that the previous service (in TypeScript) stored, byte for byte.

    sha256(userId + ":" + md5(fullBodyImage)[:8] + ":" + clothingIds.sort().join(",")), all in hexadecimal.
    Use it only to find old results: it lacks steps, seed and category, and ids with "," or ":" collide.
    """
    model_hash = hashlib.md5(_javascript_utf8(full_body_image), usedforsecurity=False).hexdigest()[:8]
    garments = ",".join(sorted(clothing_ids, key=_code_units))
    return hashlib.sha256(_javascript_utf8(f"{user_id}:{model_hash}:{garments}")).hexdigest()


def result_key(inputs: Tensors, *, pipeline_digest: str, versions: Versions | None = None) -> str:
    """Return the key of a request's picture: 64 hexadecimal digits of everything that can change it.

    `inputs` come from `try_on_inputs`. Pictures count by their bytes; an id without its picture needs its
    version. Every part is hashed with its length, so that two different requests never hash the same bytes.
    Texts are not normalised (case, Unicode forms). Without a seed, the key is that of any picture of the
    request.
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
    """Return the path of a result: vto/{user}/{key}.png, the old service's layout, safe for any user id."""
    if not _KEY.fullmatch(key):
        raise BadRequest(f"key must be 64 hexadecimal digits, got {key[:80]!r}")
    return f"vto/{path_segment(user)}/{key}{ending}"


def key_of(path: str) -> str | None:
    """Return the key of a result's path; None for a path whose last part is not a result's."""
    key = path.rpartition("/")[2].partition(".")[0]
    return key if _KEY.fullmatch(key) else None


def path_segment(identity: str) -> str:
    """Return an id as one segment of a path; different ids give different segments.

    Letters, digits, "-" and "_" stay. Every other byte of its UTF-8 becomes %XX, so "..", "/" and NUL are
    harmless. An id of more than 200 encoded bytes becomes "~" and its SHA-256; the empty id becomes "~".
    """
    if not isinstance(identity, str):
        raise BadRequest(f"an id must be text, got {type(identity).__name__}")
    raw = identity.encode("utf-8", "surrogatepass")
    segment = "".join(chr(byte) if _SAFE.match(chr(byte)) else f"%{byte:02X}" for byte in raw)
    if len(segment) > _LONGEST:
        return "~" + hashlib.sha256(raw).hexdigest()
    return segment or "~"


def _versions_of(inputs: Tensors, versions: Versions) -> dict[str, list[str]]:
    """Return the versions of the ids that come without a picture: exactly one per id."""
    if unknown := versions.keys() - _IDS.keys():
        raise BadRequest(f"versions are of {', '.join(_IDS)}, got {sorted(unknown)}")
    found = {}
    for name, picture in _IDS.items():
        value = versions.get(name, ())
        version = [value] if isinstance(value, str) else list(value)
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
    """Hash a list: its length, then each part with its length."""
    hashed.update(len(parts).to_bytes(8, "big"))
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)


def _code_units(text: str) -> bytes:
    """Sort key of JavaScript's default sort: UTF-16 code units, so that 😀 comes before U+FFFD."""
    return text.encode("utf-16-be", "surrogatepass")


def _javascript_utf8(text: str) -> bytes:
    """Encode as Node does: a surrogate pair is one character, a lone surrogate becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
