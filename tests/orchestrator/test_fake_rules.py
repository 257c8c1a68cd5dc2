"""The rules of the client's fake are the server's."""

from vitrine import fake_rules
from vitrine_orchestrator import pictures
from vitrine_orchestrator.drawing import facts, picture_request
from vitrine_orchestrator.lettering.options import MAX_TEXTS
from vitrine_orchestrator.product_ad import request
from vitrine_orchestrator.stages.cut_out import LEAST_PRODUCT_SIDE, MOST_PRODUCT_SIDE
from vitrine_orchestrator.wire.fields import MAX_GUIDANCE, MAX_SEED, MAX_STEPS


def test_limits_are_the_same():
    """The fake, which has only the client, repeats them."""
    assert fake_rules.NUMBERS == {
        "steps": (1, MAX_STEPS),
        "seed": (0, MAX_SEED),
        "guidance": (0, MAX_GUIDANCE),
        "n": (1, picture_request.MAX_PICTURES),
        "width": (1, picture_request.MAX_SIDE),
        "height": (1, picture_request.MAX_SIDE),
        "strength": (0, 1),
        "product_side": (LEAST_PRODUCT_SIDE, MOST_PRODUCT_SIDE),
        "enlarge": (1, request.MAX_ENLARGE),
        "harmonise": (0, request.MAX_HARMONISE),
    }
    assert fake_rules.MAX_PIXELS == facts.MAX_PIXELS
    assert (fake_rules.MAX_SIZES, fake_rules.MAX_TEXTS) == (request.MAX_SIZES, MAX_TEXTS)


def test_names_are_the_same():
    """Formats, ratios and schedules."""
    assert tuple(pictures.SAVING) == fake_rules.FORMATS
    assert fake_rules.WITH_ALPHA == pictures.WITH_ALPHA
    assert fake_rules.LONGEST == pictures.LONGEST
    assert tuple(picture_request.RATIOS) == fake_rules.RATIOS
    assert fake_rules.SCHEDULERS == picture_request.SCHEDULERS
