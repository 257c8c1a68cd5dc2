"""The page docs/gateway.md has every setting, problem, price and route of the code."""

import pytest
from vitrine_gateway.command_actions import ACTIONS, SERVE
from vitrine_gateway.credits.prices import PRICES, REWARDS
from vitrine_gateway.errors import INVALID, KINDS
from vitrine_gateway.routers import ROUTERS
from vitrine_gateway.settings import PREFIX, Settings


@pytest.fixture
def gateway_page(root):
    """The page's text."""
    return (root / "docs" / "gateway.md").read_text()


def test_every_setting_has_its_row(gateway_page):
    """Each setting is there with its default and meaning."""
    for name, setting in Settings.model_fields.items():
        default = setting.default
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        cell = "–" if default in ("", ()) else shown
        assert f"| `{PREFIX}{name.upper()}` | {cell} | {setting.description} |" in gateway_page


def test_every_problem_has_its_row(gateway_page):
    """Each kind of problem is there with its status, code, title, and whether a job is tried again."""
    for kind in (*KINDS.values(), INVALID):
        again = "yes" if kind.retried else ""
        assert f"| {kind.status} | `{kind.code}` | {kind.title} | {again} |" in gateway_page


def test_every_price_has_its_row(gateway_page):
    """Prices and the reward are those of the code."""
    for pipeline, prices in PRICES.items():
        for price in prices:
            most = f": up to {price.garments} garment{'s' * (price.garments > 1)}" if price.garments else ""
            assert f"| `{pipeline}`, {price.name}{most} | {price.credits} |" in gateway_page
    assert f"| registering a garment | +{REWARDS['register_garment']} |" in gateway_page


def test_every_command_is_there(gateway_page):
    """Each action of `vitrine gateway` has a row."""
    for action in ACTIONS:
        name = "" if action.name == SERVE else f" {action.name}"
        assert f"| `vitrine gateway{name}` |" in gateway_page


def test_every_route_is_named(gateway_page):
    """The last part of each route's path is on the page."""
    for router in ROUTERS:
        for route in router.routes:
            if not route.include_in_schema:
                continue
            parts = [part for part in route.path.split("/") if part and not part.startswith("{")]
            words = parts[-1].removesuffix("-v2").split("-")
            assert words[-1] in gateway_page, route.path
