"""What a store says reaches the caller, and only a missing object counts as missing."""

from functools import partial

import pytest
from obstore.store import S3Store
from odd_store import KEYS, answering, refusal
from vitrine import NotFound, Shelf, Unavailable, open_store
from vitrine.store_errors import means_missing, reason_of

KEY = "0" * 64


def shelf_of(endpoint) -> Shelf:
    return Shelf(open_store("s3://pictures", endpoint=endpoint, **KEYS))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            403,
            refusal("InvalidAccessKeyId", "No such\nkey &amp; so on"),
            "403 InvalidAccessKeyId: No such key & so on",
        ),
        (
            400,
            refusal("AuthorizationHeaderMalformed", "wrong", "<Region>eu-west-1</Region>"),
            "400 AuthorizationHeaderMalformed: wrong; set eu-west-1 as the region",
        ),
        (400, refusal("ExpiredToken", ""), "400 ExpiredToken"),
        (418, "<html>", "418 I'm a teapot"),
    ],
)
def test_the_stores_code_and_sentence_reach_the_caller(status, body, said):
    """The reason is the store's own, without the request and the library's debug text."""
    with (
        answering(lambda *_: (status, body)) as endpoint,
        pytest.raises(Unavailable) as told,
    ):
        shelf_of(endpoint).find(user="ada", key=KEY)
    assert str(told.value) == f"the result store cannot read vto/ada/{KEY}.png: {said}"


def test_the_cause_of_a_missing_connection_is_told():
    """The library has it in its debug text only."""
    with pytest.raises(Unavailable, match=r"HTTP error: error sending request \(Connection refused\)$"):
        shelf_of("http://127.0.0.1:9").find(user="ada", key=KEY)


def test_an_error_without_a_text_is_named():
    """A TimeoutError of the system has no text of its own."""
    assert reason_of(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, refusal("AccessDenied")), (403, ""), (404, "<html>"), (404, refusal("NoSuchBucket"))],
)
@pytest.mark.parametrize("verb", ["write", "list", "delete"])
def test_only_a_read_takes_a_refusal_for_missing(status, body, verb):
    """Writes, lists and deletes that are refused fail, and so does a delete that a web page answers 404."""
    listing = (
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
        f"<Key>vto/ada/{KEY}.png</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>1</Size>"
        "<ETag>t</ETag></Contents></ListBucketResult>"
    )

    def answer(method, path, headers):
        refused = {"write": "PUT", "list": "GET", "delete": "DELETE"}[verb]
        return (status, body) if method == refused else (200, listing if method == "GET" else "")

    with answering(answer) as endpoint:
        shelf = shelf_of(endpoint)
        act = partial(shelf.keep, key=KEY, encoded=b"x", story={}) if verb == "write" else shelf.purge
        with pytest.raises(Unavailable, match=f"cannot {verb}"):
            act(user="ada")


def test_a_delete_of_what_the_store_names_as_missing_is_done():
    """Another process may have deleted it."""
    with answering(lambda *_: (404, refusal("NoSuchKey"))) as endpoint:
        store = open_store("s3://pictures", endpoint=endpoint, **KEYS)
        assert isinstance(store, S3Store)
        with pytest.raises(FileNotFoundError) as told:
            store.delete(["a"])
    assert means_missing(told.value, "delete")


@pytest.mark.parametrize(("status", "code"), [(403, "InvalidAccessKeyId"), (404, "NoSuchBucket")])
def test_hiding_does_not_take_a_refused_key_for_a_missing_picture(status, code):
    """The picture is asked for by GET, since a HEAD has no code."""
    with (
        answering(lambda *_: (status, refusal(code))) as endpoint,
        pytest.raises(Unavailable),
    ):
        shelf_of(endpoint).hide(user="ada", key=KEY)


def test_a_web_page_is_no_empty_list():
    """Nothing is reported as purged where a console or a portal answers in the store's place."""
    page = "<!doctype html><html><head><meta charset='utf-8'/></head><body>console</body></html>"
    with answering(lambda *_: (200, page)) as endpoint:
        for call in (shelf_of(endpoint).purge, shelf_of(endpoint).entries):
            with pytest.raises(Unavailable, match="web page"):
                call(user="ada")


def test_a_list_that_repeats_itself_ends():
    """A store whose token for the next page never changes raises an error."""
    rows = "".join(
        f"<Contents><Key>vto/ada/{index:064x}.png</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
        "<Size>1</Size><ETag>t</ETag></Contents>"
        for index in range(1000)
    )
    page = (
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        f"{rows}</ListBucketResult>"
    )
    with answering(lambda *_: (200, page)) as endpoint, pytest.raises(Unavailable, match="repeats"):
        shelf_of(endpoint).entries(user="ada")


def test_a_garbled_answer_about_the_region_hides_no_error():
    """The look-up of the bucket's region may fail in any way."""

    def answer(method, path, headers):
        return (301, refusal("PermanentRedirect")) if method == "GET" else (999999, "")

    with answering(answer) as endpoint, pytest.raises(Unavailable, match="another region"):
        shelf_of(endpoint).find(user="ada", key=KEY)


def test_a_missing_picture_is_not_found():
    """404 and a 403 about the object are a missing picture; hiding it raises NotFound."""
    for told in ((404, refusal("NoSuchKey")), (403, refusal("AccessDenied"))):
        with answering(lambda *_, told=told: told) as endpoint:
            assert shelf_of(endpoint).find(user="ada", key=KEY) is None
            with pytest.raises(NotFound):
                shelf_of(endpoint).hide(user="ada", key=KEY)
