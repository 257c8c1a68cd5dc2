"""Asks a store for the region of a bucket, which explains an error."""

from __future__ import annotations

import urllib.request
from functools import lru_cache
from http.client import HTTPException
from urllib.error import HTTPError

LOOK_S = 2.0  # time limit of the request


@lru_cache(64)
def reported_region(bucket: str) -> str | None:
    """The region that the store reports for the bucket at this address, or None. Takes at most LOOK_S."""
    opener = urllib.request.build_opener(_NoRedirect())
    try:
        with opener.open(urllib.request.Request(bucket, method="HEAD"), timeout=LOOK_S) as answer:
            return answer.headers.get("x-amz-bucket-region")
    except HTTPError as error:
        return error.headers.get("x-amz-bucket-region")
    except (OSError, HTTPException):
        return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Returns a redirect as a response, for its headers."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect."""
