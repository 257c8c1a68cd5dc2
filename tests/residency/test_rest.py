"""Models that stay loaded and give back the memory of their work."""

import pytest
from settled import resident, settle, use
from vitrine.errors import Busy
from vitrine_orchestrator.residency.resident import State


def loaded(held, names):
    """The books after their first loads; the models of these names take 20 at rest."""
    for name in names:
        held.can_rest(name, 20)
    settle(held)
    return held


@pytest.fixture
def both(books):
    """Two models of 50 bytes that take 20 at rest, in a memory of 80, both loaded."""
    held = loaded(books(80, a=50, b=50), "ab")
    use(held, "a")
    settle(held)
    assert resident(held) == {"a", "b"}
    return held


def at_rest(books):
    """The names of the models at rest."""
    return {one.name for one in books.models.values() if one.place == "at rest"}


def test_models_that_fit_at_rest_are_all_loaded_at_the_start(both):
    """One gives back its work, so that the other can be loaded."""
    assert both.taken_bytes <= 80
    assert both.evictions == 0
    assert not both.all_fit


def test_who_needs_room_for_work_has_an_idle_model_rest(both):
    """Both stay loaded, in turns at work; nothing is loaded again."""
    for name in "abab":
        use(both, name)
        assert at_rest(both) == {"a", "b"} - {name}
    assert (both.loads, both.evictions) == (2, 0)


def test_a_call_waits_for_the_work_of_a_model_in_use(both):
    """Its model is loaded, and works when the other's call has ended."""
    both.ask("first", "a")
    settle(both)
    both.ask("second", "b")
    assert settle(both)[0] == []
    both.give_back("first")
    assert settle(both)[0] == ["second"]


def test_a_wait_for_room_to_work_ends_as_one_for_a_load(both, clock):
    """Busy, with a time to come back."""
    both.ask("first", "a")
    settle(both)
    both.ask("second", "b")
    clock.now += 61
    assert isinstance(settle(both)[1]["second"], Busy)


def test_nobody_calls_a_model_that_is_going_to_rest(both, clock):
    """Its call waits until the process has answered."""
    use(both, "a")
    both.ask("second", "b")
    assert both.decide().rest == ["a"]
    clock.now += 0.01
    both.ask("third", "a")
    assert both.decide().granted == []
    both.rested("a", 20)
    assert both.decide().granted == ["second"]


def test_a_model_that_nobody_uses_leaves_before_one_in_use_rests(books):
    """A load that is never needed costs nothing."""
    held = books(110, never=40, often=60, new=50)
    held.can_rest("often", 20)
    settle(held)
    for _ in range(5):
        use(held, "often")
    use(held, "new")
    assert resident(held) == {"often", "new"}
    assert at_rest(held) == set()


def test_rests_and_departures_add_up(books):
    """What a rest does not give, the departure of the same model or of others does."""
    held = books(100, a=50, b=50, large=90)
    for name in "ab":
        held.can_rest(name, 40)
    settle(held)
    use(held, "large")
    assert resident(held) == {"large"}


@pytest.mark.parametrize("place", [State.RESTING, State.IN])
def test_a_model_whose_process_is_gone_cannot_rest(both, place):
    """It is charged all that it took until another process has taken its place."""
    use(both, "a")
    both.ask("second", "b")
    assert both.decide().rest == ["a"]
    if place is State.IN:
        both.rested("a", 20)
    both.can_rest("a", None)
    assert both.models["a"].state is State.IN
    assert both.models["a"].takes == 50
    assert not both.models["a"].can_rest


def test_when_all_fit_nobody_rests(both):
    """More memory: calls need no lease, so each model is charged its work again."""
    both.limits = type(both.limits)(100)
    both.decide()
    assert both.all_fit
    assert at_rest(both) == set()
    assert both.taken_bytes == 100


def test_a_rest_that_gives_nothing_back_is_not_tried(books):
    """A process that takes as much at rest as at work."""
    held = books(50, a=50, b=50)
    held.can_rest("a", 50)
    settle(held)
    use(held, "b")
    assert resident(held) == {"b"}
    assert held.rests == 0


@pytest.fixture
def three(books):
    """Three models of 50 bytes that take 20 at rest, in a memory of 100, all loaded; `a` is in use."""
    held = loaded(books(100, a=50, b=50, c=50), "abc")
    for name in "abc":
        use(held, name)
    held.ask("first", "a")
    settle(held)
    assert resident(held) == {"a", "b", "c"}
    return held


def test_a_call_under_way_is_awaited_before_an_idle_model_leaves(three):
    """Room for two at work would need one of three models to leave; the first call's end spares its load."""
    loads = three.loads
    three.ask("second", "b")
    assert settle(three)[0] == []
    three.give_back("first")
    assert settle(three)[0] == ["second"]
    assert resident(three) == {"a", "b", "c"}
    assert three.loads == loads


def test_a_call_that_lasts_longer_than_a_load_is_not_awaited(three, clock):
    """After as many seconds as the load takes the idle model leaves."""
    three.ask("second", "b")
    clock.now += 0.99
    assert settle(three)[0] == []
    clock.now += 0.02
    assert settle(three)[0] == ["second"]
    assert resident(three) == {"a", "b"}


def test_a_model_that_nobody_uses_leaves_without_waiting_for_a_call(books):
    """It is worth less than the wait."""
    held = loaded(books(100, a=50, b=50, never=30), "ab")
    use(held, "a")
    held.ask("first", "a")
    settle(held)
    assert resident(held) == {"a", "b", "never"}
    held.ask("second", "b")
    assert settle(held)[0] == ["second"]
    assert resident(held) == {"a", "b"}
