"""Finds the faces of a text by family, weight and language, and the characters that none of them has."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from vitrine.errors import BadRequest, Unavailable

from vitrine_orchestrator.lettering.characters import named, needs_glyph
from vitrine_orchestrator.lettering.faces import Face, characters_of, check_shaping, fonts_in, read_faces
from vitrine_orchestrator.lettering.fontconfig import faces_of, system_files
from vitrine_orchestrator.lettering.languages import BY_REGION, FALLBACKS, GENERIC, LANGUAGES

WEIGHTS = {"regular": 400, "bold": 700}
ADVICE = "install the Debian packages fonts-nanum, fonts-noto-cjk and fontconfig, or set VITRINE_FONT_FOLDER"
SHOWN = 12
"""Families that an error lists at most."""


@dataclass(eq=False)
class Fonts:
    """The fonts of an operator's folder and of the system. Threads can share it.

    The system's files are read when one of their families is first asked for.
    """

    own: Sequence[Face] = ()
    system: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    _faces: dict[str, tuple[Face, ...]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def families(self) -> list[str]:
        """Every family that a text may name, without those of kinds."""
        return sorted({name for face in self.own for name in face.families} | self.system.keys())

    def faces(self, family: str, weight: str, language: str) -> tuple[Face, ...]:
        """The face of a family for a language, then those of the fallbacks.

        Raises BadRequest for a family that is not there, Unavailable where a kind has none installed.
        """
        wanted = GENERIC.get(family, (family,))
        chosen = self._first(wanted, weight, language)
        if chosen is None and family in GENERIC:
            raise Unavailable(f"no {family} font is installed: {ADVICE}")
        if chosen is None:
            raise BadRequest(f"font must be one of {self._said()}, got {family[:60]!r}")
        others = (self._first((one,), weight, language) for one in FALLBACKS)
        return tuple(dict.fromkeys([chosen, *(face for face in others if face is not None)]))

    def _first(self, families: Iterable[str], weight: str, language: str) -> Face | None:
        """The best face of the first of these families that is there; an italic one where none is upright."""
        region = LANGUAGES[language].region
        named = []
        for family in families:
            name = f"{family} {region}" if _same(family) in map(_same, BY_REGION) else family
            named.append(self._named(name.replace("{region}", region)))
        for italic in (False, True):
            for faces in named:
                if found := [face for face in faces if face.italic == italic]:
                    return min(found, key=lambda face: face.distance(WEIGHTS[weight]))
        return None

    def _named(self, family: str) -> tuple[Face, ...]:
        """The faces whose own name is that family; the operator's come first."""
        key = _same(family)
        with self._lock:
            if key not in self._faces:
                own = [face for face in self.own if key in map(_same, face.families)]
                files = [path for name, paths in self.system.items() if _same(name) == key for path in paths]
                found = own or faces_of(list(dict.fromkeys(files)))
                self._faces[key] = tuple(face for face in found if key in map(_same, face.families))
            return self._faces[key]

    def _said(self) -> str:
        names = [*GENERIC, *self.families()]
        return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def open_fonts(folder: Path | None) -> Fonts:
    """The fonts of a folder, if one is given, and of the system.

    Raises BadSettings, with the file's name, for a font file that is none, and where Pillow lacks RAQM.
    """
    check_shaping()
    own = [face for path in fonts_in(folder) for face in read_faces(path)] if folder else []
    return Fonts(own, system_files())


def face_of(cluster: str, faces: Sequence[Face]) -> Face | None:
    """The first face that has every character of a cluster; None where none has."""
    codes = {ord(character) for character in cluster if needs_glyph(character)}
    return next((face for face in faces if codes <= characters_of(face.path, face.index)), None)


def check_glyphs(name: str, parts: Iterable[str], faces: Sequence[Face]) -> None:
    """BadRequest, with the character and its code point, for the first cluster that no face can draw."""
    for part in dict.fromkeys(parts):
        if part not in ("\n", "\u00a0") and face_of(part, faces) is None:
            lacking = next((one for one in part if face_of(one, faces) is None), part[0])
            tried = ", ".join(face.family for face in faces)
            raise BadRequest(
                f"{name} must have characters that its fonts can draw (emoji are not drawn), "
                f"got {named(lacking)}, which none of {tried} has"
            )


def _same(family: str) -> str:
    """A family's name for comparison: composed (NFC), without spaces and case."""
    return "".join(unicodedata.normalize("NFC", family).split()).casefold()
