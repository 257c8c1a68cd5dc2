"""`/v1/garments`: garments that stay until they are deleted, and the credits that new ones earn."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from vitrine.errors import BadRequest

from vitrine_gateway import garments
from vitrine_gateway.access import Known, Parts, base_of
from vitrine_gateway.database.tables import Garment
from vitrine_gateway.garments import GarmentFields
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.views import iso, linked
from vitrine_gateway.pages import MOST, page
from vitrine_gateway.pictures.keeping import image_of
from vitrine_gateway.routers.reading import filled, form_with_file, read_form

router = APIRouter(prefix="/v1/garments", tags=["garments"])
FORM = form_with_file(GarmentFields.model_json_schema()["properties"], additionalProperties=False)


@router.post("", status_code=201, openapi_extra=FORM)
async def register_garment(request: Request, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Keep a garment: a form with `file`. Jobs name it by its id. A new picture earns credits."""
    caller.needs("jobs")
    async with read_form(request) as form:
        fields_sent = filled(form)
        told: dict[str, Any] = dict(fields_sent)
        if len(fields_sent) > len(told):
            raise BadRequest("each field of the form must be sent once")
        file = told.pop("file", None)
        if not isinstance(file, UploadFile):
            raise BadRequest("the form must have the picture in `file`")
        fields = GarmentFields.model_validate(told)
        picture = await gateway.reader.read(await file.read(), "file")
    made = await garments.register(gateway, caller, fields, picture)
    return {**_view(gateway, made.garment, request), "earned": made.earned, "credits": made.credits}


@router.get("")
async def list_garments(
    request: Request,
    gateway: Parts,
    caller: Known,
    user: str | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
) -> dict[str, Any]:
    """List the account's garments, the newest first."""
    caller.needs("jobs")
    async with gateway.database.reading() as session:
        rows = await garments.listed(session, caller, user=user, cursor=cursor, limit=limit)
    return page(rows, [_view(gateway, garment, request) for garment in rows], limit)


@router.get("/{garment_id}")
async def get_garment(garment_id: str, request: Request, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Return a garment with a signed link to its picture."""
    caller.needs("jobs")
    async with gateway.database.reading() as session:
        return _view(gateway, await garments.find(session, caller, garment_id), request)


@router.delete("/{garment_id}", status_code=204)
async def delete_garment(garment_id: str, gateway: Parts, caller: Known) -> None:
    """Delete a garment and its picture. Credits that it has earned stay."""
    caller.needs("jobs")
    await garments.remove(gateway, caller, garment_id)


def _view(gateway: Gateway, garment: Garment, request: Request) -> dict[str, Any]:
    """Return a garment as JSON, with a signed link to its picture."""
    told = {
        "id": garment.id,
        "user": garment.user or None,
        "name": garment.name or None,
        "category": garment.category or None,
        "description": garment.description or None,
        "created_at": iso(garment.created_at),
        "image": image_of(garment.file),
    }
    return linked(gateway, told, base_of(request))
