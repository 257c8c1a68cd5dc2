"""Leases, loads, evictions and refusals, without a server."""

import pytest
from settled import resident, settle, use
from vitrine.errors import Busy, Unavailable
from vitrine_orchestrator.residency.policy import SOON_S
from vitrine_orchestrator.residency.resident import State


def test_everything_that_fits_is_loaded_at_the_start_and_nobody_needs_a_lease(books):
    """With room for all, all are resident."""
    held = books(100, a=30, b=30, c=40)
    settle(held)
    assert held.all_fit
    assert held.evictions == 0


def test_the_reserve_and_what_is_always_loaded_lessen_the_room(books):
    """The budget is for everything together."""
    held = books(100, {"reserve_bytes": 10}, a=30, b=30)
    held.measured(35, {})
    settle(held)
    assert resident(held) == {"a"}


def test_a_lease_makes_room_by_evicting_the_least_worthy(books):
    """The model that was used once goes, the one that was used often stays."""
    held = books(60, a=30, b=30, c=30)
    settle(held)
    for _ in range(3):
        use(held, "a")
    use(held, "b")
    use(held, "c")
    assert resident(held) == {"a", "c"}


def test_a_model_in_use_is_not_evicted(books):
    """Its lease pins it, whatever its worth."""
    held = books(60, a=30, b=30, c=30)
    settle(held)
    for name in ("b", "b", "b"):
        use(held, name)
    held.ask("pin", "a")
    settle(held)
    use(held, "c")
    assert resident(held) == {"a", "c"}


def test_who_waits_for_long_closes_models_in_use(books, clock):
    """Calls that follow without a gap cannot keep another model out for ever."""
    held = books(30, a=30, b=30)
    settle(held)
    held.ask("first", "a")
    settle(held)
    held.ask("wants b", "b")
    held.ask("second", "a")
    assert settle(held)[0] == ["second"]
    clock.now += 1.5
    held.ask("third", "a")
    settle(held)  # decides to close a
    held.ask("fourth", "a")
    assert settle(held)[0] == []
    held.give_back("first")
    held.give_back("second")
    held.give_back("third")
    granted, _ = settle(held)
    assert granted[0] == "wants b"


def test_a_wait_beyond_the_limit_is_refused_with_a_time_to_come_back(books, clock):
    """Busy, as a full queue is; the lease is gone."""
    held = books(30, a=30, b=30)
    settle(held)
    held.ask("pin", "a")
    settle(held)
    held.ask("wants b", "b")
    settle(held)
    clock.now += 61
    _, refused = settle(held)
    assert isinstance(refused["wants b"], Busy)
    assert refused["wants b"].retry_after_s == 1
    assert held.waiting == []
    assert held.refusals == 1


def test_a_call_whose_model_is_being_loaded_waits_for_it(books, clock):
    """However long the load takes: the memory is there."""
    held = books(30, a=30, b=30)
    settle(held)
    held.ask("wants b", "b")
    assert held.decide().unload == ["a"]
    held.unloaded("a")
    assert held.decide().load == ["b"]
    clock.now += 61
    assert held.decide().refused == []
    held.loaded("b", 61.0)
    assert held.decide().granted == ["wants b"]


def test_a_model_that_comes_back_is_worth_what_it_was(books):
    """Its uses before an eviction count: it stays when one goes that was used as often since then."""
    held = books(60, a=30, b=30, c=30, big=60)
    settle(held)
    for _ in range(5):
        use(held, "a")
    for name in ("big", "a", "b", "c"):
        use(held, name)
    assert resident(held) == {"a", "c"}


def test_a_model_larger_than_the_budget_is_refused_at_once(books):
    """The message has both figures, in MiB."""
    held = books(64 * 2**20, small=2**20, large=65 * 2**20)
    settle(held)
    held.ask("never", "large")
    _, refused = settle(held)
    assert isinstance(refused["never"], Unavailable)
    assert str(refused["never"]) == "model large needs 65 MiB, and the memory budget leaves 64 MiB"
    assert "small" in resident(held)


def fail(books, name):
    """One load that fails; the refused leases."""
    decisions = books.decide()
    assert decisions.load == [name]
    books.load_failed(name, "no such file")
    return dict(books.decide().refused)


def test_a_load_that_fails_is_tried_again_and_then_refused_with_a_pause_that_grows(books, clock):
    """The first failure costs nobody anything; then the error names model, reason and next try."""
    held = books(30, {"retries": 1, "backoff_s": (1.0, 5.0)}, a=30)
    held.ask("one", "a")
    decisions = held.decide()
    held.load_failed(decisions.load[0], "no such file")
    for key, pause in (("one", 1), ("two", 5), ("three", 5)):
        if key != "one":
            held.ask(key, "a")
        refused = fail(held, "a")
        assert str(refused[key]) == f"model a could not be loaded (no such file); next try in {pause} s"
        held.ask("meanwhile", "a")
        assert "meanwhile" in dict(held.decide().refused)
        clock.now += pause
    held.ask("four", "a")
    assert settle(held)[0] == ["four"]
    assert held.models["a"].failures == 0


def test_an_announced_model_is_loaded_ahead_and_not_evicted_for_others(books, clock):
    """The next stage is there when its call comes; the announcement ends after a while."""
    held = books(60, a=30, b=30, c=30)
    settle(held)
    held.ask("running", "a")
    settle(held)
    held.announce(["c"])
    settle(held)
    assert resident(held) == {"a", "c"}
    held.ask("b now", "b")
    settle(held)
    assert resident(held) == {"a", "c"}
    clock.now += SOON_S
    settle(held)
    assert resident(held) == {"a", "b"}


def test_an_announcement_never_closes_a_model_in_use(books, clock):
    """What only may be needed waits for what is needed."""
    held = books(30, a=30, b=30)
    settle(held)
    held.ask("running", "a")
    settle(held)
    held.announce(["b"])
    clock.now += 5
    settle(held)
    assert resident(held) == {"a"}
    assert not held.models["a"].closed


def test_what_grows_beyond_the_budget_evicts(books):
    """A model that took more than was known makes others go."""
    held = books(90, a=30, b=30, c=30)
    settle(held)
    use(held, "a")
    use(held, "b")
    held.measured(0, {"b": 50})
    settle(held)
    assert resident(held) == {"a", "b"}


def test_an_estimate_is_replaced_by_the_first_measurement(books):
    """Also where the estimate was too high."""
    held = books(100, a=80)
    assert held.decide().load == ["a"]
    held.loaded("a", 2.0, taken=20)
    assert held.models["a"].bytes == 20
    held.loaded("a", 2.0, taken=10)
    assert held.models["a"].bytes == 20


def test_a_later_small_wish_does_not_overtake_a_large_one_that_has_waited_for_long(books, clock):
    """The room that the older one waits for is withheld from all others."""
    held = books(100, a=50, b=50, large=90, small=50)
    settle(held)
    held.ask("pin a", "a")
    held.ask("pin b", "b")
    settle(held)
    held.ask("large", "large")
    clock.now += 2
    held.ask("small", "small")
    settle(held)
    held.give_back("pin a")
    settle(held)
    assert held.models["small"].state is State.OUT
    held.give_back("pin b")
    assert settle(held)[0] == ["large"]


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_loads_at_once_than_allowed(books, at_once):
    """A device is measured load by load."""
    held = books(100, {"loads_at_once": at_once}, a=30, b=30, c=30)
    assert len(held.decide().load) == at_once
    assert held.decide().load == []


def test_calls_that_began_without_a_lease_pin_their_model(books):
    """When memory becomes short, the owner is told of them."""
    held = books(60, a=30, b=30, c=30)
    settle(held)
    held.hold("earlier", "a")
    use(held, "c")
    assert resident(held) == {"a", "c"}
