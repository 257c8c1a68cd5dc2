"""An id is one person or garment for all families and choices."""

import numpy as np
import pytest
from kept_values import Kept
from small_manifest import MANIFEST, texts
from test_pipelines_prepare import PHOTO, networks
from vitrine.errors import NotFound
from vitrine_orchestrator.fashn.pipeline import try_on
from vitrine_orchestrator.pipeline.request_context import read_report
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.prepare_garment import prepare_garment
from vitrine_orchestrator.try_on.prepare_person import prepare_person

OTHER = 255 - PHOTO


async def test_another_photo_type_replaces_the_former_picture(fashn):
    """A new picture sent as flat-lay replaces what was found in the old one."""
    world = fashn.World(boxes=(), memo=Kept())
    await world("prepare_garment", {"garment_raw": PHOTO, "garment_id": texts("coat")})
    flat = {"garment_photo_type": texts("flat-lay")}
    await world("prepare_garment", {"garment_raw": OTHER, "garment_id": texts("coat"), **flat})
    with pytest.raises(NotFound, match=r"for the model fashn and garment_photo_type auto$"):
        await world("prepare_garment", {"garment_id": texts("coat")})


async def test_a_garment_sent_to_one_family_replaces_that_of_the_other(fashn):
    """The other family does not know the new picture, and says so."""
    world = fashn.World(boxes=(), memo=(memo := Kept()))
    await world("prepare_garment", {"garment_raw": PHOTO, "garment_id": texts("tee")})
    await prepare_garment(
        TryOnContext(networks(), MANIFEST, memo), {"garment_raw": OTHER, "garment_id": texts("tee")}
    )
    with pytest.raises(NotFound):
        await world("prepare_garment", {"garment_id": texts("tee")})


@pytest.mark.parametrize(("picture", "kept"), [(PHOTO, True), (OTHER, False)])
async def test_a_try_on_replaces_the_other_familys_person_by_another_picture_only(fashn, picture, kept):
    """Although each family sees a person at its own size."""
    idm = TryOnContext(networks(), MANIFEST, memo := Kept())
    await prepare_person(idm, {"person_raw": PHOTO, "person_id": texts("ann")})
    sent = {"person_raw": picture, "person_id": texts("ann"), "garment_raw": PHOTO}
    sent |= {"garment_photo_type": texts("flat-lay"), "steps": np.array([1], np.int32)}
    await try_on(fashn.World(memo=memo).context, sent)
    if kept:
        again = await prepare_person(idm, {"person_id": texts("ann")})
        assert read_report(again)["sources"] == {"person": "memory"}
    else:
        with pytest.raises(NotFound):
            await prepare_person(idm, {"person_id": texts("ann")})
