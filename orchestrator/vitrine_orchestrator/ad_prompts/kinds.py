"""Kinds of products, in words of both languages."""

from __future__ import annotations

from vitrine_orchestrator.ad_prompts.scene_words import Kind

DRAWN = (
    Kind("bottle", ("병", "보틀", "유리병", "물병"), (), "greengrocer", "green", drawn=True),
    Kind("can", ("캔", "깡통", "통조림", "캔음료"), ("tin",), "greengrocer", "red", drawn=True),
    Kind("mug", ("머그잔", "머그", "머그컵", "커피잔", "컵", "잔"), ("cup",), "cafe", "red", drawn=True),
    Kind(
        "jam jar",
        ("잼 단지", "잼", "잼병", "쨈", "단지"),
        ("jam", "jar of jam", "jar"),
        "bakery",
        "orange",
        True,
    ),
    Kind(
        "milk carton",
        ("우유갑", "우유", "우유팩", "우유 팩"),
        ("milk", "carton"),
        "bakery",
        "blue",
        drawn=True,
    ),
    Kind("perfume", ("향수", "퍼퓸", "향수병"), ("fragrance",), "jeweller", "pink", drawn=True),
    Kind(
        "sneaker", ("운동화", "스니커즈", "러닝화"), ("trainer", "running shoe"), "sports shop", "blue", True
    ),
    Kind(
        "handbag", ("핸드백", "가방", "숄더백", "토트백"), ("bag", "purse"), "jeweller", "purple", drawn=True
    ),
    Kind("camera", ("카메라", "사진기", "필름카메라"), (), "bookshop", "yellow", drawn=True),
    Kind("teapot", ("찻주전자", "주전자", "티포트"), ("kettle",), "cafe", "green", drawn=True),
)
"""The products of the drawn shop."""

FURTHER = (
    Kind("latte", ("라떼", "카페라떼", "카페 라떼", "라테"), ("cafe latte",), "cafe"),
    Kind(
        "iced americano",
        ("아이스 아메리카노", "아메리카노", "아아", "냉커피"),
        ("americano", "iced coffee"),
        "cafe",
    ),
    Kind("cup of coffee", ("커피", "드립커피", "에스프레소", "원두커피"), ("coffee", "espresso"), "cafe"),
    Kind("glass of lemonade", ("레모네이드", "에이드", "레몬에이드"), ("lemonade",), "cafe"),
    Kind("smoothie", ("스무디", "쉐이크", "밀크쉐이크"), ("milkshake", "shake"), "cafe"),
    Kind(
        "cup of tea",
        ("홍차", "녹차", "허브티", "밀크티", "유자차", "말차"),
        ("tea", "green tea", "matcha"),
        "cafe",
    ),
    Kind(
        "cake", ("케이크", "케익", "생크림 케이크", "딸기 케이크"), ("birthday cake", "cheesecake"), "bakery"
    ),
    Kind("loaf of bread", ("빵", "식빵", "호밀빵", "치아바타"), ("bread", "sourdough"), "bakery"),
    Kind("macaron", ("마카롱",), ("macaroon",), "bakery"),
    Kind("salted roll", ("소금빵",), ("salt bread",), "bakery"),
    Kind("doughnut", ("도넛", "도너츠", "도나츠"), ("donut",), "bakery"),
    Kind("sandwich", ("샌드위치", "토스트"), ("toast",), "cafe"),
    Kind(
        "bouquet of flowers",
        ("꽃다발", "부케", "꽃", "생화"),
        ("bouquet", "flower", "flowers"),
        "flower shop",
    ),
    Kind("flower basket", ("꽃바구니", "화환"), ("basket of flowers",), "flower shop"),
    Kind("novel", ("소설", "책", "신간", "도서", "그림책", "시집"), ("book", "paperback"), "bookshop"),
    Kind("notebook", ("노트", "공책", "다이어리", "수첩"), ("diary", "journal"), "bookshop"),
    Kind("bowl of ramen", ("라면", "라멘", "국수", "칼국수", "냉면"), ("ramen", "noodles"), "restaurant"),
    Kind("bowl of bibimbap", ("비빔밥", "돌솥비빔밥"), ("bibimbap",), "restaurant"),
    Kind(
        "plate of fried chicken", ("치킨", "후라이드", "양념치킨", "닭강정"), ("fried chicken",), "restaurant"
    ),
    Kind("pizza", ("피자",), (), "restaurant"),
    Kind("burger", ("햄버거", "버거", "수제버거"), ("hamburger", "cheeseburger"), "restaurant"),
    Kind("plate of pasta", ("파스타", "스파게티"), ("pasta", "spaghetti"), "restaurant"),
    Kind("steak", ("스테이크", "갈비", "한우", "삼겹살"), ("beef", "ribs", "pork belly"), "restaurant"),
    Kind("bowl of salad", ("샐러드", "포케"), ("salad", "poke bowl"), "restaurant"),
    Kind("plate of sushi", ("초밥", "스시", "김밥"), ("sushi", "gimbap"), "restaurant"),
    Kind("hot pot", ("찌개", "김치찌개", "전골", "국밥", "해장국", "삼계탕"), ("stew", "soup"), "restaurant"),
    Kind("plate of tteokbokki", ("떡볶이",), ("tteokbokki",), "restaurant"),
    Kind("plate of rice cakes", ("떡", "송편", "인절미", "한과"), ("rice cake",), "rice cake shop"),
    Kind("cup of ice cream", ("아이스크림", "젤라토"), ("ice cream", "gelato"), "ice cream shop"),
    Kind("bowl of shaved ice", ("빙수", "팥빙수", "눈꽃빙수"), ("shaved ice", "bingsu"), "ice cream shop"),
    Kind("glass of beer", ("맥주", "생맥주", "수제맥주"), ("beer", "craft beer"), "bar"),
    Kind("bottle of wine", ("와인", "포도주"), ("wine",), "bar"),
    Kind("cocktail", ("칵테일", "하이볼"), ("highball",), "bar"),
    Kind("bottle of soju", ("소주", "막걸리", "전통주"), ("soju", "makgeolli"), "bar"),
    Kind("glass of juice", ("주스", "쥬스", "착즙주스"), ("juice",), "greengrocer"),
    Kind(
        "basket of fruit",
        ("과일", "과일바구니", "딸기", "감귤", "포도"),
        ("fruit", "strawberries"),
        "greengrocer",
    ),
    Kind("jar of honey", ("꿀", "벌꿀"), ("honey",), "greengrocer"),
    Kind("bottle of shampoo", ("샴푸", "린스", "트리트먼트"), ("shampoo", "conditioner"), "hair salon"),
    Kind("bottle of nail polish", ("매니큐어", "젤네일", "네일 폴리시"), ("nail polish",), "nail salon"),
    Kind("lipstick", ("립스틱", "틴트", "립밤"), ("lip balm",), "cosmetics shop"),
    Kind(
        "jar of face cream",
        ("크림", "수분크림", "로션", "에센스", "세럼"),
        ("face cream", "serum"),
        "cosmetics shop",
    ),
    Kind("bar of soap", ("비누", "수제비누"), ("soap",), "cosmetics shop"),
    Kind("scented candle", ("캔들", "향초", "양초", "디퓨저"), ("candle", "diffuser"), "furniture shop"),
    Kind("wooden chair", ("의자", "소파", "스툴"), ("chair", "sofa", "stool"), "furniture shop"),
    Kind("table lamp", ("스탠드", "램프", "무드등"), ("lamp",), "furniture shop"),
    Kind("diamond ring", ("반지", "커플링", "결혼반지"), ("ring", "wedding ring"), "jeweller"),
    Kind("necklace", ("목걸이", "팔찌", "귀걸이"), ("bracelet", "earrings"), "jeweller"),
    Kind("wrist watch", ("시계", "손목시계", "스마트워치"), ("watch", "smart watch"), "jeweller"),
    Kind("t-shirt", ("티셔츠", "셔츠", "반팔"), ("shirt", "tee"), "clothes shop"),
    Kind("dress", ("원피스", "드레스", "치마"), ("skirt",), "clothes shop"),
    Kind("coat", ("코트", "자켓", "재킷", "패딩"), ("jacket", "down jacket"), "clothes shop"),
    Kind(
        "pair of leather shoes", ("구두", "신발", "부츠", "로퍼"), ("shoes", "boots", "loafers"), "shoe shop"
    ),
    Kind("pair of glasses", ("선글라스", "안경테"), ("sunglasses", "glasses"), "optician"),
    Kind("tumbler", ("텀블러", "보온병"), ("thermos", "flask"), "cafe"),
    Kind("backpack", ("백팩", "책가방", "배낭"), ("rucksack", "schoolbag"), "clothes shop"),
    Kind(
        "pair of headphones", ("헤드폰", "이어폰", "헤드셋"), ("headphones", "earphones"), "electronics shop"
    ),
    Kind("laptop", ("노트북", "컴퓨터"), ("notebook computer", "computer"), "electronics shop"),
    Kind("smartphone", ("스마트폰", "휴대폰", "핸드폰"), ("phone", "mobile phone"), "electronics shop"),
    Kind("teddy bear", ("곰인형", "인형", "테디베어"), ("doll", "plush toy"), "toy shop"),
    Kind("toy car", ("장난감 자동차", "장난감", "로봇"), ("toy", "robot"), "toy shop"),
    Kind("bicycle", ("자전거",), ("bike",), "sports shop"),
    Kind("yoga mat", ("요가매트", "매트"), ("mat",), "yoga studio"),
    Kind("tub of protein powder", ("프로틴", "단백질 보충제"), ("protein powder", "protein"), "gym"),
    Kind(
        "bottle of vitamins",
        ("비타민", "영양제", "홍삼", "건강식품"),
        ("vitamins", "supplements"),
        "pharmacy",
    ),
    Kind("bag of dog food", ("사료", "강아지 간식", "애견 간식"), ("dog food", "pet food"), "pet shop"),
    Kind("gift box", ("선물", "선물세트", "선물 상자"), ("gift", "gift set", "present"), "shop"),
)

KINDS: dict[str, Kind] = {row.name: row for row in (*DRAWN, *FURTHER)}
