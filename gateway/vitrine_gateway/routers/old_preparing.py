"""CloszIT's GPU host: the routes that prepare a person, a garment or a text before the first try-on.

What is prepared is kept in the server's caches under the id of the user or of the garment, so a later try-on
by ids needs no picture. Only the account of GATEWAY_OLD_ACCOUNT may do this: its ids are the server's own.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from vitrine import BadRequest
from vitrine.answers import Prepared

from vitrine_gateway.access import OldKnown, Parts
from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.errors import Forbidden, NotServedYet
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.fields import Category, Name, OldBody
from vitrine_gateway.jobs.names import owns_names
from vitrine_gateway.jobs.text_pipeline import Text
from vitrine_gateway.pictures.reading import from_base64
from vitrine_gateway.routers.reading import filled, is_form, read_form, read_json

TIMEOUT_S = 120.0

router = APIRouter(tags=["CloszIT's GPU host"])


class Human(OldBody):
    """A person's photo, for try-ons of a category."""

    user_id: Name
    category: Category = "upper_body"
    image: str | bytes


class Garment(OldBody):
    """A garment's photo."""

    clothing_id: Name
    image: str | bytes


class Description(OldBody):
    """The description of a garment; it is kept by its words."""

    description: Text


Body = TypeVar("Body", bound=OldBody)


@router.post("/vton/preprocess-human")
async def preprocess_human(request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Prepare a person's photo and keep it under the user's id. JSON, or a form with the photo as a file."""
    body = await _read(request, gateway, caller, Human)
    picture = await _picture(gateway, body.image)
    begun = time.perf_counter()
    made = await gateway.vitrine.prepare_person(
        person=picture, person_id=body.user_id, category=body.category, timeout_s=TIMEOUT_S
    )
    return _told(made, begun, user_id=body.user_id, category=body.category)


@router.post("/vton/preprocess-garment")
async def preprocess_garment(request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Prepare a garment's photo and keep it under the garment's id."""
    body = await _read(request, gateway, caller, Garment)
    picture = await _picture(gateway, body.image)
    begun = time.perf_counter()
    made = await gateway.vitrine.prepare_garment(
        garment=picture, garment_id=body.clothing_id, timeout_s=TIMEOUT_S
    )
    return _told(made, begun, clothing_id=body.clothing_id)


@router.post("/vton/preprocess-text")
async def preprocess_text(request: Request, gateway: Parts, caller: OldKnown) -> dict[str, Any]:
    """Prepare the embeddings of a description."""
    body = await _read(request, gateway, caller, Description)
    begun = time.perf_counter()
    made = await gateway.vitrine.prepare_text(description=body.description, timeout_s=TIMEOUT_S)
    return _told(made, begun)


async def check_owner(gateway: Gateway, caller: Caller) -> None:
    """Raise Forbidden unless the caller is the old service: its names are the server's own names."""
    if not await owns_names(gateway, caller.account_id):
        raise Forbidden("the server's cache is changed by the account of GATEWAY_OLD_ACCOUNT alone")


async def _read(request: Request, gateway: Gateway, caller: Caller, form: type[Body]) -> Body:
    """The body's fields. Raises Forbidden, BadRequest and pydantic's ValidationError.

    NotServedYet with a moderation of what is sent, which looks at jobs.
    """
    await check_owner(gateway, caller)
    if gateway.moderation.asks("before"):
        raise NotServedYet("with a moderation before jobs, send the picture with the try-on")
    if is_form(request):
        async with read_form(request) as sent:
            fields = {
                name: await value.read() if isinstance(value, UploadFile) else value
                for name, value in filled(sent)
            }
        return form.model_validate(fields)
    return form.model_validate(await read_json(request))


async def _picture(gateway: Gateway, sent: str | bytes) -> bytes:
    """The picture, checked and encoded again. Raises BadRequest and the errors of reading pictures."""
    if isinstance(sent, str):
        sent = from_base64(sent, "image")
    if not sent:
        raise BadRequest("image must be a picture, got nothing")
    return (await gateway.reader.read(sent, "image")).content


def _told(made: Prepared, begun: float, **more: str) -> dict[str, Any]:
    return {
        "success": True,
        **more,
        "cached": "computed" not in made.sources.values(),
        "elapsed_s": round(time.perf_counter() - begun, 3),
    }
