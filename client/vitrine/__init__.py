"""Vitrine's thin client: try-on and advertising pictures from a Triton server.

with Vitrine("localhost:8001") as vitrine:
    result = vitrine.try_on(person="me.jpg", garment="coat.jpg", seed=7)
result.image.save("me-in-coat.png")
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vitrine.ad_prompts import AdPrompt
    from vitrine.ads import Ad, Composed, ProductAd
    from vitrine.answers import (
        CacheStatistics,
        Drawn,
        DrawnPicture,
        Fitting,
        Prepared,
        Progress,
        TryOn,
    )
    from vitrine.async_client import AsyncVitrine
    from vitrine.cancellation import Cancellation
    from vitrine.client import Vitrine
    from vitrine.cut_outs import CutOut
    from vitrine.errors import (
        BadRequest,
        Busy,
        Cancelled,
        NotFound,
        StageFailed,
        TimedOut,
        Unavailable,
        VitrineError,
    )
    from vitrine.fake import AsyncFakeTransport, FakeTransport
    from vitrine.headers import call_headers
    from vitrine.keys import old_result_key, result_key
    from vitrine.results import AsyncResults, Kept, Results
    from vitrine.retry import Retry
    from vitrine.saving import save_picture
    from vitrine.scores import ReadPrompt, Scores
    from vitrine.shelf import Shelf
    from vitrine.statuses import ModelStatus
    from vitrine.stores import open_store
    from vitrine.texts import Described, Lettered, Text
    from vitrine.transport import AsyncTransport, Transport
    from vitrine.workflows import NodeReport, Workflow

__all__ = [
    "Ad",
    "AdPrompt",
    "AsyncFakeTransport",
    "AsyncResults",
    "AsyncTransport",
    "AsyncVitrine",
    "BadRequest",
    "Busy",
    "CacheStatistics",
    "Cancellation",
    "Cancelled",
    "Composed",
    "CutOut",
    "Described",
    "Drawn",
    "DrawnPicture",
    "FakeTransport",
    "Fitting",
    "Kept",
    "Lettered",
    "ModelStatus",
    "NodeReport",
    "NotFound",
    "Prepared",
    "ProductAd",
    "Progress",
    "ReadPrompt",
    "Results",
    "Retry",
    "Scores",
    "Shelf",
    "StageFailed",
    "Text",
    "TimedOut",
    "Transport",
    "TryOn",
    "Unavailable",
    "Vitrine",
    "VitrineError",
    "Workflow",
    "call_headers",
    "old_result_key",
    "open_store",
    "result_key",
    "save_picture",
]

_PLACES = {
    "ad_prompts": ("AdPrompt",),
    "ads": (
        "Ad",
        "Composed",
        "ProductAd",
    ),
    "answers": (
        "CacheStatistics",
        "Drawn",
        "DrawnPicture",
        "Fitting",
        "Prepared",
        "Progress",
        "TryOn",
    ),
    "async_client": ("AsyncVitrine",),
    "cancellation": ("Cancellation",),
    "client": ("Vitrine",),
    "cut_outs": ("CutOut",),
    "errors": (
        "BadRequest",
        "Busy",
        "Cancelled",
        "NotFound",
        "StageFailed",
        "TimedOut",
        "Unavailable",
        "VitrineError",
    ),
    "fake": (
        "AsyncFakeTransport",
        "FakeTransport",
    ),
    "headers": ("call_headers",),
    "keys": (
        "old_result_key",
        "result_key",
    ),
    "results": (
        "AsyncResults",
        "Kept",
        "Results",
    ),
    "retry": ("Retry",),
    "saving": ("save_picture",),
    "scores": (
        "ReadPrompt",
        "Scores",
    ),
    "shelf": ("Shelf",),
    "statuses": ("ModelStatus",),
    "stores": ("open_store",),
    "texts": (
        "Described",
        "Lettered",
        "Text",
    ),
    "transport": (
        "AsyncTransport",
        "Transport",
    ),
    "workflows": (
        "NodeReport",
        "Workflow",
    ),
}
"""The module of each public name. Names are imported when they are first used: the server's processes need a
few modules of this package, and a process that imports all of them takes 0.1 s longer to start."""

_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    if name in _PLACES:  # `import vitrine` alone allows vitrine.errors.Busy
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
