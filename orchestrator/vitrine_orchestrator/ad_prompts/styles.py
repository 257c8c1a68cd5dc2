"""The styles and themes of pictures: what they add to a prompt, and what must not be in the picture."""

from __future__ import annotations

from dataclasses import dataclass

from vitrine_orchestrator.ad_prompts.scene_words import Word


@dataclass(frozen=True)
class Style(Word):
    """A style. `lead` comes before a prompt, `quality` after it; `avoid` is its negative prompt."""

    lead: str = ""
    quality: str = ""
    avoid: str = ""


STYLES: dict[str, Style] = {
    row.name: row
    for row in (
        Style(
            "realistic",
            ("실사", "사실적인", "리얼", "사진처럼", "실사풍"),
            ("photorealistic",),
            "advertising photograph",
            "sharp focus on the product, natural materials, fine detail",
            "cartoon, anime, drawing, painting, plastic look, oversaturated, blurry, low quality",
        ),
        Style(
            "semi-realistic",
            ("반실사", "세미 리얼", "세미리얼", "3d 렌더", "렌더링", "3d"),
            ("semi realistic", "3d render", "render"),
            "semi-realistic render",
            "smooth shading, clean shapes, gentle studio reflections",
            "flat colours, rough sketch, photographic noise, deformed shapes, blurry, low quality",
        ),
        Style(
            "anime",
            ("애니메이션", "애니", "만화", "웹툰", "카툰", "지브리"),
            ("cartoon", "manga", "cel shading", "webtoon"),
            "anime picture",
            "clean outlines, cel shading, clear colours",
            "photograph, realistic skin, 3d render, muddy colours, sketchy lines, blurry, low quality",
        ),
        Style(
            "illustration",
            ("일러스트", "일러스트레이션", "수채화", "손그림", "드로잉", "삽화"),
            ("illustrated", "watercolour", "watercolor"),
            "illustration",
            "flat harmonious colours, simple shapes, visible paper texture",
            "photograph, 3d render, harsh shadows, noise, blurry, low quality",
        ),
        Style(
            "line drawing",
            ("선화", "라인 드로잉", "라인아트"),
            ("line art",),
            "line drawing",
            "even ink outlines, plain fills",
            "photograph, 3d render, heavy shading, blurry, low quality",
        ),
        Style(
            "at night",
            ("밤 풍경", "야경", "심야", "한밤", "밤"),
            ("night scene", "night"),
            "at night",
            "lamps against the dark, deep shadows",
            "daylight, overexposed, flat light, blurry, low quality",
        ),
    )
}
"""By name. The leads of the last two are also those of the drawn shop's styles."""

THEMES: dict[str, Word] = {
    row.name: row
    for row in (
        Word("spring blossoms", ("봄", "벚꽃", "봄맞이", "봄날"), ("spring", "cherry blossom")),
        Word("bright summer", ("여름", "바캉스", "휴가", "여름철"), ("summer",)),
        Word("autumn leaves", ("가을", "단풍", "가을철"), ("autumn", "fall")),
        Word("snowy winter", ("겨울", "겨울철"), ("winter", "snow")),
        Word("festive Christmas", ("크리스마스", "성탄절", "연말"), ("christmas", "xmas", "holiday season")),
        Word("Korean harvest festival", ("추석", "한가위"), ("chuseok",)),
        Word("Korean New Year", ("설날", "새해", "신년"), ("seollal", "new year")),
        Word(
            "romantic Valentine", ("발렌타인데이", "발렌타인", "화이트데이"), ("valentine", "valentine's day")
        ),
        Word("playful Halloween", ("할로윈", "핼러윈"), ("halloween",)),
        Word("grand opening", ("오픈", "개업", "신규 오픈", "그랜드 오픈"), ("opening",)),
        Word("seasonal sale", ("할인", "세일", "특가", "행사", "이벤트"), ("sale", "discount")),
        Word(
            "new arrival",
            ("신상", "신제품", "신메뉴", "출시", "신상품"),
            ("new product", "new menu", "launch"),
        ),
        Word("warm and cosy", ("따뜻한", "포근한", "아늑한", "훈훈한"), ("warm", "cosy", "cozy")),
        Word("fresh and cool", ("시원한", "상큼한", "청량한", "산뜻한"), ("fresh", "refreshing", "cool")),
        Word("luxurious", ("고급스러운", "고급", "럭셔리", "프리미엄", "명품"), ("luxury", "premium")),
        Word(
            "minimal and clean",
            ("심플한", "깔끔한", "미니멀", "모던한", "단순한"),
            ("minimal", "simple", "clean", "modern"),
        ),
        Word("vintage", ("빈티지", "레트로", "복고", "앤틱"), ("retro", "antique")),
        Word("natural", ("자연스러운", "내추럴", "친환경", "유기농"), ("organic", "eco-friendly")),
        Word("cute", ("귀여운", "아기자기한", "사랑스러운", "깜찍한"), ("lovely", "adorable")),
        Word("calm", ("차분한", "고요한", "잔잔한", "편안한"), ("quiet", "peaceful", "relaxing")),
        Word("lively", ("활기찬", "신나는", "역동적인", "화사한"), ("vivid", "energetic", "dynamic")),
    )
}
"""By the words that they add to a prompt."""

NO_TEXT = "text, letters, words, captions, watermark, logo, signature"
"""Begins every negative prompt: networks of this kind cannot write; text is laid over pictures later."""

PLAIN_SURFACES = "blank labels and signs, free space for a headline"
"""Asked for where a network reads no negative prompt. "No text" in a prompt would rather bring text."""
