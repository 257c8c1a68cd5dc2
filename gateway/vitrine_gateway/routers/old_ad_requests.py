"""What the old ad server's `/generate` takes, and the job that each request becomes.

Stage 1 sets a product into a scene made from a prompt; stage 2 sets text on a finished picture.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field
from vitrine.errors import BadRequest

from vitrine_gateway.errors import NotServedYet
from vitrine_gateway.jobs.ad_words import words_of
from vitrine_gateway.jobs.fields import WHOLE, OldBody, Prompt
from vitrine_gateway.jobs.inputs import file_of_link
from vitrine_gateway.jobs.submitting import FileId, Submission
from vitrine_gateway.jobs.text_pipeline import Text, Word
from vitrine_gateway.pictures.reading import from_base64


class Generate(OldBody):
    """The body of `/generate`. Fields without a meaning here have no effect, as in the old server.

    Pictures are base64, data URIs, ids of uploaded files or links to pictures of the gateway's.
    """

    start_step: Literal[1, 2] = 1
    product_image: str | None = Field(
        None, validation_alias=AliasChoices("product_image", "input_image", "image")
    )
    step1_image: str | None = Field(None, validation_alias=AliasChoices("step1_image", "step1_result"))
    prompt: Prompt | None = Field(
        None, validation_alias=AliasChoices("bg_prompt", "background_prompt", "prompt")
    )
    negative_prompt: Prompt | None = None
    text: Text | None = Field(None, validation_alias=AliasChoices("text_content", "ad_text", "text"))
    text_position: Literal["auto", "top", "bottom", "center"] = "auto"
    font: Word | None = Field(None, validation_alias=AliasChoices("font_name", "font"))
    aspect_ratio: Annotated[str, Field(pattern=r"^\d{1,2}:\d{1,2}$")] | None = None
    steps: Annotated[int, Field(ge=1, le=100), WHOLE] | None = Field(
        None, validation_alias=AliasChoices("steps", "num_inference_steps")
    )
    seed: Annotated[int, Field(ge=0, lt=2**64), WHOLE] | None = None
    test_mode: bool = False


NAMES = {"product": "product_image", "image": "step1_image"}  # of pictures, in messages


class WrongPicture(BadRequest):
    """A picture is missing, or is no base64."""


def submission_of(wanted: Generate) -> Submission:
    """Return the job of a request.

    Raises WrongPicture, BadRequest without a prompt or a text, and NotServedYet for `test_mode`.
    """
    if wanted.test_mode:
        raise NotServedYet("test_mode gave pictures that nothing had made: send steps 1 for a quick one")
    if wanted.start_step == 2:
        if wanted.step1_image is None:
            raise WrongPicture("start_step 2 sets text on a finished picture: send it as step1_image")
        if wanted.text is None:
            raise BadRequest("start_step 2 sets text on a picture: send it as text_content")
        pictures = {"image": [read_picture(wanted.step1_image, "step1_image")]}
        texts = {"texts": _texts(wanted)}
        return Submission("text_overlay", options=texts, pictures=pictures, names=NAMES)
    if wanted.prompt is None:
        raise BadRequest("start_step 1 makes a scene: say what it shows as bg_prompt")
    options: dict[str, Any] = {"aspect_ratio": wanted.aspect_ratio}
    options |= {"steps": wanted.steps, "seed": wanted.seed}
    if wanted.product_image is None:
        if wanted.text is not None:
            raise WrongPicture(
                "text is set on a picture with a product (product_image), or on a finished one: send that "
                "as step1_image with start_step 2"
            )
        options |= {"prompt": wanted.prompt, "negative_prompt": wanted.negative_prompt}
        return Submission("text_to_image", options=_given(options))
    product = {"product": [read_picture(wanted.product_image, "product_image")]}
    options |= {**words_of(wanted.prompt), "texts": _texts(wanted)}
    return Submission("product_ad", options=_given(options), pictures=product, names=NAMES)


def _texts(wanted: Generate) -> list[dict[str, Any]] | None:
    if wanted.text is None:
        return None
    return [_given({"text": wanted.text, "anchor": wanted.text_position, "font": wanted.font})]


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def read_picture(value: str, name: str) -> bytes | FileId:
    """Return a picture as a job takes it. Raises WrongPicture."""
    if value.startswith("file_"):
        return FileId(value)
    if file := file_of_link(value):
        return file
    try:
        return from_base64(value, name)
    except BadRequest as error:
        raise WrongPicture(str(error)) from error
