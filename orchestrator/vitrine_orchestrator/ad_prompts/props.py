"""What can stand beside a product, in words of both languages."""

from __future__ import annotations

from vitrine_orchestrator.ad_prompts.scene_words import Word

ROWS = (
    ("a paper cup", "종이컵"),
    ("coffee beans", "커피콩", "원두"),
    ("a cookie plate", "쿠키 접시", "쿠키", "과자 접시"),
    ("a baguette", "바게트"),
    ("a croissant", "크루아상", "크로와상"),
    ("a rolling pin", "밀대"),
    ("tulips", "튤립"),
    ("a potted plant", "화분", "화초"),
    ("a watering can", "물뿌리개"),
    ("a stack of books", "책 더미", "책들"),
    ("an open book", "펼친 책"),
    ("reading glasses", "안경", "돋보기"),
    ("an apple", "사과"),
    ("carrots", "당근"),
    ("lemons", "레몬"),
    ("scissors", "가위"),
    ("a comb", "빗"),
    ("a shaving brush", "면도솔"),
    ("a pill bottle", "약병"),
    ("a mortar", "절구"),
    ("bandages", "반창고", "밴드"),
    ("a basketball", "농구공"),
    ("a dumbbell", "아령", "덤벨"),
    ("a trophy", "트로피"),
    ("toy blocks", "장난감 블록", "블록"),
    ("a rubber duck", "고무 오리"),
    ("a spinning top", "팽이"),
    ("a ring box", "반지 상자"),
    ("a pearl necklace", "진주 목걸이"),
    ("a gem", "보석"),
    ("roses", "장미"),
    ("a candle", "촛불"),
    ("ice cubes", "얼음"),
    ("fresh herbs", "허브", "로즈마리"),
    ("a hair dryer", "헤어 드라이어", "드라이기"),
    ("a ribbon", "리본"),
    ("green leaves", "나뭇잎", "잎사귀", "잎"),
    ("strawberries", "딸기들"),
    ("a linen cloth", "린넨", "천"),
    ("a towel", "수건", "타월"),
)
"""The English words with their article, then Korean words; the first thirty stand in the drawn shop."""

DRAWN = 30

ARTICLES = ("a ", "an ")


def _word(name: str, *korean: str) -> Word:
    bare = next((name.removeprefix(one) for one in ARTICLES if name.startswith(one)), name)
    return Word(name, korean, (bare,))


PROPS: dict[str, Word] = {row[0]: _word(*row) for row in ROWS}
DRAWN_PROPS = tuple(row[0] for row in ROWS[:DRAWN])
"""Props of the drawn shop."""

PROPS_OF = {
    "bouquet of flowers": ("tulips", "roses"),
    "basket of fruit": ("an apple", "lemons", "strawberries"),
}
"""Props that a product of the tables covers, by its name: who wants no flowers wants no tulips."""
