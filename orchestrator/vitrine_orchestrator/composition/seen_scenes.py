"""What a composition finds in a scene, whatever is put into it: found once for ads that share the scene."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from vitrine_orchestrator.composition.free_places import Edges, edges_of
from vitrine_orchestrator.composition.ground import horizon_of
from vitrine_orchestrator.composition.light import slope_of
from vitrine_orchestrator.pictures import Picture


@dataclass(frozen=True, eq=False)
class SeenScene:
    """A scene and what is found in it."""

    picture: Picture  # (height, width, 3); nobody changes it
    slope: float  # of its light: see light.py
    horizon: float | None  # the far edge of its ground: see ground.py
    edges: Edges


def seen(picture: Picture) -> SeenScene:
    """What is found in a scene (height, width, 3) uint8 RGB."""
    return SeenScene(picture, slope_of(picture), horizon_of(picture), edges_of(picture))


class SeenScenes:
    """The scenes of the compositions under way, by the bytes of their files. Any thread may ask.

    A scene is held by those who use it alone: no picture outlives its requests here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of both dictionaries
        self._reading: WeakValueDictionary[bytes, threading.Lock] = WeakValueDictionary()
        self._scenes: WeakValueDictionary[bytes, SeenScene] = WeakValueDictionary()

    def get(self, encoded: bytes, read: Callable[[], Picture]) -> SeenScene:
        """The scene of a file; `read` decodes it, once for all who use it meanwhile. Its error is raised."""
        with self._lock:
            reading = self._reading.setdefault(encoded, threading.Lock())
        with reading:
            if (known := self._scenes.get(encoded)) is not None:
                return known
            scene = seen(read())
            with self._lock:
                self._scenes[encoded] = scene
            return scene
