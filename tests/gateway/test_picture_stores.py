"""The stores of pictures: a refusal is no success, and settings that cannot be used stop the start."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from odd_store import KEYS, answering, refusal
from vitrine import NotFound, Unavailable, open_store
from vitrine_gateway.errors import BadSettings
from vitrine_gateway.pictures.stores import Folder, Objects, open_pictures
from vitrine_gateway.settings import Settings


@pytest.fixture
def plain(monkeypatch):
    """No configuration of AWS but keys."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_EC2_METADATA_DISABLED": "true"}
    files = {"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    for name, value in {**keys, **files}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, refusal("AccessDenied")), (403, ""), (404, "<html>"), (404, refusal("NoSuchBucket"))],
)
async def test_a_refused_write_list_or_delete_fails(status, body):
    """An erasure must not drop its rows while the pictures stay, nor an upload seem kept."""
    with answering(lambda *_: (status, body)) as endpoint:
        store = Objects(open_store("s3://b", endpoint=endpoint, **KEYS))
        for call in (store.put("acc/ada/f1", b"x"), store.delete("acc/ada/f1"), store.paths("acc/ada")):
            with pytest.raises(Unavailable):
                await call


@pytest.mark.parametrize(("status", "code"), [(404, "NoSuchKey"), (403, "AccessDenied")])
async def test_a_picture_that_is_not_there_is_not_found(status, code):
    """Amazon answers 403 without s3:ListBucket."""
    with answering(lambda *_: (status, refusal(code))) as endpoint:
        store = Objects(open_store("s3://b", endpoint=endpoint, **KEYS))
        with pytest.raises(NotFound) as missing:
            await store.get("acc/ada/f1")
        assert "ada" not in str(missing.value), "errors go into logs, which name nobody"
        with suppress(Unavailable):  # with 403 a delete may have done nothing
            await store.delete("acc/ada/f1")
            assert status == 404


async def test_a_web_page_has_no_pictures_to_list():
    """An erasure does not take a console's page for an empty list."""
    page = "<!doctype html><html><head><meta charset='utf-8'/></head><body>console</body></html>"
    with answering(lambda *_: (200, page)) as endpoint, pytest.raises(Unavailable, match="web page"):
        await Objects(open_store("s3://b", endpoint=endpoint, **KEYS)).paths("acc/ada")


async def test_a_folder_that_cannot_be_read_has_no_empty_list(tmp_path, monkeypatch):
    """An erasure fails where the pictures of the person cannot be listed; a missing folder is empty."""
    folder = Folder(tmp_path)
    await folder.put("acc/ada/f1", b"x")
    assert await folder.paths("acc") == ["acc/ada/f1"]
    assert await folder.paths("acc/bob") == []

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)  # root may read every folder
    with pytest.raises(Unavailable, match="Permission denied"):
        await folder.paths("acc/ada")


async def test_a_persons_folder_goes_with_its_last_picture(tmp_path, monkeypatch):
    """It bears the person's name; a picture that could not be written leaves none either."""
    folder = Folder(tmp_path)
    for name in ("f1", "f2"):
        await folder.put(f"acc/ada/{name}", b"x")
    await folder.delete("acc/ada/f1")
    assert await folder.get("acc/ada/f2") == b"x"
    await folder.delete("acc/ada/f2")
    assert [path.name for path in tmp_path.rglob("*")] == ["acc"]

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        await folder.put("acc/ada/f3", b"x")
    assert [path.name for path in tmp_path.rglob("*")] == ["acc"]


async def test_a_picture_is_kept_although_its_folder_is_deleted_meanwhile(tmp_path, monkeypatch):
    """The person's last picture goes between the making of the folder and that of the new file."""
    mkdir, deleted = Path.mkdir, []

    def made(path, *arguments, **named):
        mkdir(path, *arguments, **named)
        if path.name == "ada" and not deleted:
            deleted.append(path.rmdir())

    monkeypatch.setattr(Path, "mkdir", made)
    await Folder(tmp_path).put("acc/ada/f1", b"x")
    assert deleted
    assert await Folder(tmp_path).get("acc/ada/f1") == b"x"


@pytest.mark.parametrize(
    ("store", "endpoint", "said"),
    [
        ("s3://b", "minio:9000", "GATEWAY_PICTURES_ENDPOINT.* must be http://host:port"),
        ("s3://b", "http://u:secret@h:1", "GATEWAY_PICTURES_ENDPOINT.* must be http://host:port"),
        ("b", "", "GATEWAY_PICTURES: an object store must be s3://bucket"),
        ("s3://b//x", "http://h:1", "GATEWAY_PICTURES: the prefix of an object store must be a plain path"),
    ],
)
def test_an_address_without_its_form_stops_the_start(plain, store, endpoint, said):
    """The message names the setting, and has no password."""
    with pytest.raises(BadSettings, match=said) as told:
        open_pictures(Settings.of(pictures=store, pictures_endpoint=endpoint))
    assert "secret" not in str(told.value)


def test_an_unknown_profile_stops_the_start(plain, monkeypatch):
    """The configuration of AWS counts too."""
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(BadSettings, match=r"GATEWAY_PICTURES: .*profile \(nope\) could not be found"):
        open_pictures(Settings.of(pictures="s3://b", pictures_endpoint="http://127.0.0.1:9"))


def test_a_start_without_credentials_stops(plain, monkeypatch):
    """Otherwise each upload would fail."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Unavailable, match="GATEWAY_PICTURES: no S3 credentials found"):
        open_pictures(Settings.of(pictures="s3://b", pictures_endpoint="http://127.0.0.1:9"))
