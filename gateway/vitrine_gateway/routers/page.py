"""The page: static files without a bundler."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from vitrine.errors import NotFound

FOLDER = Path(__file__).parents[1] / "page"
TYPES = {
    ".svg": "image/svg+xml",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
FILES = {path.name: TYPES[path.suffix] for path in FOLDER.iterdir() if path.suffix in TYPES}

router = APIRouter(tags=["page"], include_in_schema=False)


@router.get("/")
async def index() -> FileResponse:
    """Return the page."""
    return FileResponse(FOLDER / "index.html", media_type="text/html; charset=utf-8")


@router.get("/page/{name}")
async def asset(name: str) -> FileResponse:
    """Return a file of the page."""
    if name not in FILES:
        raise NotFound(f"there is no {name[:60]!r}")
    return FileResponse(FOLDER / name, media_type=FILES[name])
