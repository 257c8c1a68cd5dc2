"""The second part of `make demo`: products of the paper shop become advertisements of three trades."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image
from tqdm import tqdm
from vitrine import Vitrine
from vitrine.sheet import Cell, contact_sheet
from vitrine_world import shop

WORLD = 2026
"""The seed of the demo's products, which are not in the training data."""
PHOTO_SIDE, GROUND = 512, 232
"""Side of a drawing in px, and the grey on which a product is photographed."""
MARGIN = 0.25
"""Ground on each side of a photographed product, in shares of the product's longer side."""
ENLARGED = 4
"""The small checkpoint draws 128×128 px; products and texts are put in at so many times that."""


@dataclass(frozen=True)
class Order:
    """What a shop owner sends: a product, a sentence, and a text to be set."""

    kind: str
    colour: str
    sentence: str
    text: str


ORDERS = (
    Order("mug", "red", "카페 신메뉴 따뜻한 라떼", "신메뉴 4,500원"),
    Order("perfume", "pink", "꽃집 봄 세일, 분홍 향수", "봄맞이 30% 할인"),
    Order("sneaker", "blue", "스포츠 매장 파란 운동화", "신상 운동화 입고"),
)


def ads_sheet(vitrine: Vitrine, seed: int = 3) -> Image.Image:
    """Make the ads on a server; return a sheet with each product's photograph above its ad."""
    photos = [photograph(order.kind, order.colour) for order in ORDERS]
    made = []
    for order, photo in tqdm(list(zip(ORDERS, photos, strict=True)), desc="ad", unit="picture"):
        answer = vitrine.product_ad(
            product=photo, sentence=order.sentence, texts=order.text, enlarge=ENLARGED, seed=seed
        )
        made.append(Cell(answer.image, order.sentence))
    given = [Cell(photo, f"{order.colour} {order.kind}") for order, photo in zip(ORDERS, photos, strict=True)]
    return contact_sheet([given, made], cell=(384, 384))


def photograph(kind: str, colour: str) -> Image.Image:
    """Return the first drawn product of that kind and colour, as `photographed` shows it."""
    samples = (shop.sample(WORLD, index) for index in itertools.count())
    return photographed(
        next(made for made in samples if (made.facts.kind, made.facts.colour) == (kind, colour))
    )


def photographed(product: shop.Sample) -> Image.Image:
    """Return a drawn product on a grey ground, as a catalogue shows it."""
    cut = shop.draw(product, size=PHOTO_SIDE).cut_out
    shown = Image.fromarray(cut).crop(Image.fromarray(cut[..., 3]).getbbox())
    side = round(max(shown.size) * (1 + 2 * MARGIN))
    ground = Image.fromarray(np.full((side, side, 3), GROUND, np.uint8))
    ground.paste(shown, ((side - shown.width) // 2, (side - shown.height) // 2), shown)
    return ground
