"""The shelf of finished pictures on S3's own protocol (moto's server on loopback), and its command."""

import json

import numpy as np
import pytest
from PIL import Image
from vitrine import BadRequest, FakeTransport, NotFound, Vitrine, command
from vitrine.commands import results as results_command
from vitrine.keys import old_result_key, result_path
from vitrine.results import Results
from vitrine.stores import open_store

PERSON, COAT = (np.full((20, 16, 3), grey, np.uint8) for grey in (200, 30))
KEYS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


def test_a_picture_of_the_old_service_is_found(bucket):
    """An object stored by the old service's rules is found, without a record of how it was made."""
    name, client, shelf = bucket
    key = old_result_key("550e8400", "https://example.com/me.png", ["b", "a"])
    client.put_object(Bucket=name, Key=f"vto/550e8400/{key}.png", Body=b"old picture")
    found = shelf.find(user="550e8400", key=key)
    assert (found.encoded, dict(found.story)) == (b"old picture", {})


def filled(shelf, user, count=2):
    """Keys of `count` pictures stored for a user."""
    keys = [f"{index:064x}" for index in range(count)]
    for key in keys:
        shelf.keep(user=user, key=key, encoded=key.encode(), story={})
    return keys


HARD = [
    "1",
    "10",
    "1/0",
    "..",
    "../1",
    "",
    "//",
    "\0",
    "é",
    "e\u0301",
    "😀",
    "A",
    "a",
    "%31",
    "~",
    "x" * 10240,
]


def test_clearing_one_user_touches_no_other(bucket):
    """Users whose ids begin alike, climb folders or differ in one form of a letter stay apart."""
    name, client, shelf = bucket
    for user in HARD:
        filled(shelf, user, 1)
    listed = client.list_objects_v2(Bucket=name)["Contents"]
    assert len(listed) == len(HARD)
    assert all(one["Key"].startswith("vto/") and one["Key"].count("/") == 2 for one in listed)
    left = list(HARD)
    for user in HARD:
        left.remove(user)
        assert shelf.purge(user=user) == 1
        assert [one for one in HARD if shelf.entries(user=one)] == left


def test_hidden_pictures_are_left_out_of_lists(bucket):
    """A hidden picture is listed on request only, is still found, and can be shown again."""
    shelf = bucket[2]
    first, second = filled(shelf, "ada")
    shelf.hide(user="ada", key=first)
    assert [entry.key for entry in shelf.entries(user="ada")] == [second]
    assert {entry.key: entry.hidden for entry in shelf.entries(user="ada", hidden=True)} == {
        first: True,
        second: False,
    }
    assert shelf.find(user="ada", key=first) is not None
    for _ in range(2):  # twice is once
        shelf.hide(user="ada", key=first, hidden=False)
    assert len(shelf.entries(user="ada")) == 2
    with pytest.raises(NotFound):
        shelf.hide(user="ada", key="f" * 64)


def test_one_picture_can_be_purged(bucket):
    """Its hidden mark is deleted too, other pictures stay, and a second purge does nothing."""
    name, client, shelf = bucket
    first, second = filled(shelf, "ada")
    shelf.hide(user="ada", key=first)
    assert shelf.purge(user="ada", key=first) == 1
    assert shelf.purge(user="ada", key=first) == 0
    left = [one["Key"] for one in client.list_objects_v2(Bucket=name)["Contents"]]
    assert left == [result_path("ada", second)]


def test_only_the_users_own_pictures_are_listed(bucket):
    """Objects deeper in the folder, and names that are no keys, are no pictures, and no marks of any."""
    name, client, shelf = bucket
    (key,) = filled(shelf, "ada", 1)
    for path in (f"old/{key}.png", f"old/{key}.hidden", "photo.png", ".png"):
        client.put_object(Bucket=name, Key=f"vto/ada/{path}", Body=b"other")
    assert [(entry.key, entry.size) for entry in shelf.entries(user="ada")] == [(key, 64)]


def test_more_than_a_page_is_listed_and_purged(bucket, monkeypatch):
    """All pages of a listing are read (here four objects each; S3's have a thousand)."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "4")  # read at every request
    name, client, shelf = bucket
    keys = filled(shelf, "ada", 9)
    assert client.list_objects_v2(Bucket=name)["IsTruncated"]
    assert sorted(entry.key for entry in shelf.entries(user="ada")) == keys
    assert shelf.purge(user="ada") == 9
    assert "Contents" not in client.list_objects_v2(Bucket=name)


@pytest.mark.parametrize("url", ["", "s3://", "pictures", "file:///tmp", "http://s3://x"])
def test_a_store_has_an_s3_address(url):
    """Other addresses are refused before a connection."""
    with pytest.raises(BadRequest, match="must be s3://bucket"):
        open_store(url, **KEYS)


def test_the_results_command(bucket, tmp_path, monkeypatch, capsys):
    """The command lists, shows, hides and purges, and prints what it did."""
    shelf = bucket[2]
    monkeypatch.setattr(results_command, "open_shelf", lambda args: shelf)
    monkeypatch.chdir(tmp_path)
    vitrine = Results(Vitrine(transport=FakeTransport()), shelf)
    key = vitrine.try_on(user="ada", person=PERSON, garment=COAT, seed=7).key

    def run(*words):
        code = command.main(["results", "--store", "s3://any", *words])
        return code, capsys.readouterr().out

    assert key in run("list", "ada")[1]
    assert json.loads(run("list", "ada", "--json")[1])[0]["key"] == key
    assert json.loads(run("show", "ada", key, "-o", "ada.png")[1])["seed"] == 7
    with Image.open("ada.png") as image:
        assert image.size == (16, 20)
    assert run("hide", "ada", key)[0] == 0
    assert key not in run("list", "ada")[1]
    assert "hidden" in run("list", "ada", "--all")[1]
    assert run("purge", "ada") == (0, "would delete 1 picture(s); add --yes to do it\n")
    assert run("purge", "ada", key, "--yes") == (0, "deleted 1 picture(s)\n")
    assert run("show", "ada", key)[0] == 1
