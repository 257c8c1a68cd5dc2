"""Routes of other contracts: every error has the contract's form, those of dependencies included."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from vitrine.errors import BadRequest, VitrineError

from vitrine_gateway.problems import of_database

Refusal = VitrineError | ValidationError | RequestValidationError


def route_telling(tell: Callable[[Refusal], Response]) -> type[APIRoute]:
    """Return the class of routes that answer errors by `tell`."""

    class Told(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def answered(request: Request) -> Response:
                try:
                    return await handler(request)
                except (VitrineError, ValidationError, RequestValidationError) as error:
                    return tell(error)
                except HTTPException as error:  # a form that cannot be read
                    return tell(BadRequest(str(error.detail)))
                except SQLAlchemyError as error:
                    return tell(of_database(error))

            return answered

    return Told
