"""Names in paths. Those of persons and garments are the caller's own, and may hold "/" (%2F in a path)."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class Name(Convertor[str]):
    """A name; one that begins or ends with "/" would be another path."""

    regex = "[^/](?:.*[^/])?"

    def convert(self, value: str) -> str:
        """Return the name as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return the name as it is."""
        return value


class Person(Name):
    """A person's name. One that ends with "/audit" would be the path of another one's audit rows."""

    regex = f"{Name.regex}(?<!/audit)"


register_url_convertor("name", Name())
register_url_convertor("person", Person())
USER, PERSON, CLOTHING = "{user:name}", "{user:person}", "{clothing:name}"
"""Parts of paths."""
