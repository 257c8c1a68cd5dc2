"""`/v1/files`: uploads that jobs refer to, and signed links to pictures."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile
from vitrine.errors import BadRequest, NotFound

from vitrine_gateway.access import Known, Parts
from vitrine_gateway.database.tables import File
from vitrine_gateway.jobs.submitting import check_user
from vitrine_gateway.jobs.views import iso
from vitrine_gateway.pictures.keeping import discard, keep
from vitrine_gateway.routers.reading import form_with_file, read_form

router = APIRouter(prefix="/v1/files", tags=["files"])
PICTURES: dict[int | str, dict[str, Any]] = {200: {"content": {"image/*": {}}}}
UPLOAD = form_with_file({"user": {"type": "string", "maxLength": 200}})


@router.post("", status_code=201, openapi_extra=UPLOAD)
async def upload(request: Request, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Keep a picture: a form with `file` and, for history and erasure, `user`."""
    caller.needs("jobs")
    async with read_form(request) as form:
        file, user = form.get("file"), form.get("user") or ""
        if not isinstance(file, UploadFile) or not isinstance(user, str):
            raise BadRequest("the form must have the picture in `file`, and may have text in `user`")
        check_user(user)
        picture = await gateway.reader.read(await file.read(), "file")
    row = await keep(gateway, caller.account_id, user, "upload", picture)
    try:
        async with gateway.database.writing() as session:
            session.add(row)
    except BaseException:
        await discard(gateway, [row])
        raise
    return _view(row)


@router.get("/{file_id}")
async def describe(file_id: str, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Return what is known of a file."""
    caller.needs("jobs")
    async with gateway.database.reading() as session:
        row = await session.get(File, file_id)
    if row is None or row.account_id != caller.account_id:
        raise NotFound(f"there is no file {file_id[:60]!r}")
    return _view(row)


@router.get("/{file_id}/content", response_class=Response, responses=PICTURES)
async def content(
    file_id: str, gateway: Parts, exp: Annotated[int, Query()], sig: Annotated[str, Query(max_length=64)]
) -> Response:
    """Return the picture of a signed link. No key is needed."""
    gateway.signer.check_link(file_id, exp, sig, time.time())
    async with gateway.database.reading() as session:
        row = await session.get(File, file_id)
    if row is None:
        raise NotFound("the picture was erased or has expired")
    picture = await gateway.pictures.get(row.path)
    kept = "no-cache" if row.kind == "preview" else "max-age=3600"  # a preview is replaced by the next one
    headers = {"Cache-Control": f"private, {kept}", "Content-Disposition": "inline"}
    return Response(picture, media_type=row.media_type, headers=headers)


def _view(row: File) -> dict[str, Any]:
    return {
        "id": row.id,
        "user": row.user or None,
        "media_type": row.media_type,
        "size": row.size,
        "width": row.width,
        "height": row.height,
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
    }
