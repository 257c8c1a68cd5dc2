"""The trades, by name: one row each in the files that are joined here."""

from __future__ import annotations

from vitrine_orchestrator.ad_prompts import trades_drawn, trades_of_goods, trades_of_services
from vitrine_orchestrator.ad_prompts.trade_rows import Trade

TRADES: dict[str, Trade] = {
    row.name: row for row in (*trades_drawn.ROWS, *trades_of_services.ROWS, *trades_of_goods.ROWS)
}
