"""Vitrine's thin client: try-on and advertising pictures from a Triton server.

with Vitrine("localhost:8001") as vitrine:
    result = vitrine.try_on(person="me.jpg", garment="coat.jpg", seed=7)
result.image.save("me-in-coat.png")
"""

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
from vitrine.texts import Lettered, Text
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
