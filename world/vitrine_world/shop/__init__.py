"""The paper shop: drawn advertisements of products, with the truth of every sample."""

from vitrine_world.shop.daylight import SIDES, TIMES
from vitrine_world.shop.free_areas import free_areas
from vitrine_world.shop.near_misses import SEVEN, near_misses
from vitrine_world.shop.palette import PRODUCT_COLOURS
from vitrine_world.shop.products import KINDS
from vitrine_world.shop.prompts import LANGUAGES, phrases, prompt, read_prompt, words
from vitrine_world.shop.props import PROPS
from vitrine_world.shop.render import SIZE, Drawing, draw, over
from vitrine_world.shop.sampling import SIZES, Facts, Layout, Sample, sample
from vitrine_world.shop.scene import shadow_direction
from vitrine_world.shop.styles import STYLES
from vitrine_world.shop.trades import TABLES, TRADES, WALLS

__all__ = [
    "KINDS",
    "LANGUAGES",
    "PRODUCT_COLOURS",
    "PROPS",
    "SEVEN",
    "SIDES",
    "SIZE",
    "SIZES",
    "STYLES",
    "TABLES",
    "TIMES",
    "TRADES",
    "WALLS",
    "Drawing",
    "Facts",
    "Layout",
    "Sample",
    "draw",
    "free_areas",
    "near_misses",
    "over",
    "phrases",
    "prompt",
    "read_prompt",
    "sample",
    "shadow_direction",
    "words",
]
