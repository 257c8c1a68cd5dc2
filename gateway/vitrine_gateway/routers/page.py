"""The try-on page: static files without a bundler."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from vitrine.errors import NotFound

FOLDER = Path(__file__).parents[1] / "page"
TYPES = {
    "icon.svg": "image/svg+xml",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
}

router = APIRouter(tags=["page"], include_in_schema=False)


@router.get("/")
async def index() -> FileResponse:
    """Return the page."""
    return FileResponse(FOLDER / "index.html", media_type="text/html; charset=utf-8")


@router.get("/page/{name}")
async def asset(name: str) -> FileResponse:
    """Return a file of the page."""
    if name not in TYPES:
        raise NotFound(f"there is no {name[:60]!r}")
    return FileResponse(FOLDER / name, media_type=TYPES[name])
