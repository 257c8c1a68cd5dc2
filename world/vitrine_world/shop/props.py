"""What stands beside the product: every prop by its English words."""

from vitrine_world.shop import props_food_flowers_books, props_tools_games_jewels

PROPS = {prop.english: prop for prop in (*props_food_flowers_books.ROWS, *props_tools_games_jewels.ROWS)}
