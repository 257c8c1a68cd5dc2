"""Does at once what a residency decides."""

from vitrine_orchestrator.residency.resident import State


def settle(books):
    """Do at once what is decided, until nothing is; the granted and the refused leases."""
    granted, refused = [], {}
    while True:
        decisions = books.decide()
        granted += decisions.granted
        refused |= dict(decisions.refused)
        for name in decisions.unload:
            books.unloaded(name)
        for name in decisions.load:
            books.loaded(name, seconds=1.0)
        for name in decisions.rest:
            books.rested(name, books.models[name].rest_bytes)
        if not (decisions.load or decisions.unload or decisions.rest or decisions.granted):
            return granted, refused


def resident(books):
    """The names of the resident models."""
    return {one.name for one in books.models.values() if one.state is State.IN}


def use(books, name):
    """One call from its lease to its end."""
    books.ask("use", name)
    granted, _ = settle(books)
    assert "use" in granted
    books.give_back("use")
