"""The whole composition: from a scene and products to a picture, with masks and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vitrine_orchestrator.composition.colours import Match, matched
from vitrine_orchestrator.composition.compositing import alpha_of_all, put_over, shaded
from vitrine_orchestrator.composition.ground import Ground, ground_in_front
from vitrine_orchestrator.composition.light import SceneLight, light_of_slope
from vitrine_orchestrator.composition.placing import Scenery, placed
from vitrine_orchestrator.composition.products import Alpha, Placed, Product
from vitrine_orchestrator.composition.proposed import Shares, placed_in
from vitrine_orchestrator.composition.seen_scenes import SeenScene, seen
from vitrine_orchestrator.composition.settings import Settings
from vitrine_orchestrator.composition.shadows import Shadow, shadow_of
from vitrine_orchestrator.pictures import Picture

USUAL = Settings()


@dataclass(frozen=True, eq=False)
class Composition:
    """A finished composition; all arrays have the scene's size."""

    picture: Picture
    alpha: Alpha  # of all products
    shadow: Shadow
    placed: tuple[Placed, ...]  # the farthest first, with the colours that they have in the picture
    matches: tuple[Match, ...]  # of the placed, in the same order
    light: SceneLight
    ground: Ground
    refused: str | None = None  # why none of the proposed boxes was used; None: one was, or none was proposed


def composed(scene: Picture, products: Sequence[Product], settings: Settings = USUAL) -> Composition:
    """The products in a scene (height, width, 3) uint8 RGB; see put_into."""
    return put_into(seen(scene), products, settings)


def put_into(
    scene: SeenScene, products: Sequence[Product], settings: Settings, boxes: Sequence[Shares] = ()
) -> Composition:
    """The products in a scene; BadRequest for settings that do not fit them.

    boxes: proposed places in shares of the scene, which are used where they are as good as found ones.
    """
    height, width = scene.picture.shape[:2]
    light = light_of_slope(scene.slope, settings.light)
    ground = ground_in_front(scene.horizon, settings.margin, settings.ground)
    scenery, refused = Scenery(scene, ground, settings), None
    standing = None
    if boxes:
        standing, reason = placed_in(products, scenery, boxes)
        refused = None if standing else reason
    if standing is None:
        standing = placed(products, scenery)
    shadow = shadow_of(standing, (height, width), settings.shadow, light.away, settings.shadow_strength)
    coloured = [matched(one, scene.picture, settings.match, settings.match_bound) for one in standing]
    shown = [replace(one, product=product) for one, (product, _) in zip(standing, coloured, strict=True)]
    picture = shaded(scene.picture, shadow)
    for one in shown:
        put_over(picture, one)
    return Composition(
        picture=picture,
        alpha=alpha_of_all(shown, height, width),
        shadow=shadow,
        placed=tuple(shown),
        matches=tuple(match for _, match in coloured),
        light=light,
        ground=ground,
        refused=refused,
    )
