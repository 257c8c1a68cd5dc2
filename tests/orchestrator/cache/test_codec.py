"""Arrays become bytes and back. The safetensors library can read them, and our reader is stricter."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from vitrine_orchestrator.cache.codec import DTYPES, Array, BadArrays, check, check_finite, decode, encode

ARRAYS = {
    "mask": np.array([[0, 255, 0]], np.uint8),
    "latents": np.arange(24, dtype=np.float32).reshape(1, 4, 2, 3),
    "half": np.array([1.5, -2.0], np.float16),
    "empty": np.zeros((0, 3), np.int64),
    "one": np.array(7, np.int32),
    "yes": np.array([True, False, True]),
}


def same(left, right) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and np.array_equal(left[name], right[name]) for name in left
    )


def raw(header: object, data: bytes) -> bytes:
    """A file with the given header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def row(dtype: str, shape: list, begin: int, end: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_arrays_come_back_as_they_were():
    """Names, dtypes, shapes and values survive, scalars and empty arrays included."""
    assert same(decode(encode(ARRAYS)), ARRAYS)


def test_the_library_reads_ours_and_we_read_its():
    """Each side reads the other's files of the published format."""
    assert same(safetensors.numpy.load(encode(ARRAYS)), ARRAYS)
    assert same(decode(safetensors.numpy.save(ARRAYS)), ARRAYS)


def test_equal_arrays_give_equal_bytes():
    """Bytes do not depend on the order of names or the memory layout, so digests can be compared."""
    turned = {name: ARRAYS[name].copy(order="F") for name in reversed(list(ARRAYS))}
    assert encode(turned) == encode(ARRAYS)


def test_arrays_are_aligned_and_read_only():
    """A caller can neither alter what the next one gets nor meet a misaligned array."""
    for array in decode(encode(ARRAYS)).values():
        assert array.flags.aligned
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            array.setflags(write=True)


def test_objects_are_refused():
    """Arrays of objects are refused; only numbers can be written."""
    with pytest.raises(BadArrays, match="known are BOOL, F16"):
        encode({"x": np.array([object()])})


GOOD = row("F32", [2], 0, 8)
DAMAGED = {
    "nothing": b"",
    "short": b"\1\2\3",
    "header longer than the file": struct.pack("<Q", 100) + b"{}",
    "oversize header": struct.pack("<Q", 2**60) + b"{}",
    "not JSON": raw(b"{]", b""),
    "not an object": raw([1], b""),
    "deep JSON": raw(b"[" * 50_000, b""),
    "row is no object": raw({"x": 3}, b""),
    "name twice": raw(b'{"x":%b,"x":%b}' % (json.dumps(GOOD).encode(), json.dumps(GOOD).encode()), bytes(8)),
    "cut data": raw({"x": GOOD}, bytes(7)),
    "extra data": raw({"x": GOOD}, bytes(9)),
    "gap": raw({"x": row("F32", [1], 4, 8)}, bytes(8)),
    "overlap": raw({"x": GOOD, "y": row("F32", [1], 4, 8)}, bytes(8)),
    "backwards": raw({"x": row("F32", [0], 8, 0)}, bytes(8)),
    "negative size": raw({"x": row("F32", [-2, -1], 0, 8)}, bytes(8)),
    "fractional size": raw({"x": row("F32", [2.0], 0, 8)}, bytes(8)),
    "size is true": raw({"x": row("F32", [True, 2], 0, 8)}, bytes(8)),
    "huge shape": raw({"x": row("F32", [2**62, 2**62], 0, 8)}, bytes(8)),
    "shape of another length": raw({"x": row("F32", [3], 0, 8)}, bytes(8)),
    "unknown dtype": raw({"x": row("C64", [1], 0, 8)}, bytes(8)),
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
}  # fmt: skip


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_refused(data):
    """Truncation, overlap, gaps, wrong sizes, twice-named arrays and other formats are a clean error."""
    with pytest.raises(BadArrays):
        decode(data)


SCHEMA = {"latents": Array("F32", (1, 4, -1, -1)), "mask": Array("U8", (-1, -1))}
FITTING = {"latents": np.zeros((1, 4, 8, 6), np.float32), "mask": np.zeros((3, 2), np.uint8)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": np.zeros(1)}, "arrays are"),
        ({"latents": np.zeros((1, 4, 8, 6))}, "latents is float64"),
        ({"latents": np.zeros((1, 3, 8, 6), np.float32)}, r"latents is float32 \(1, 3, 8, 6\)"),
        ({"latents": np.zeros((4, 8, 6), np.float32)}, "latents is float32"),
    ],
)
def test_a_schema_names_what_does_not_fit(change, message):
    """Names, dtypes and shapes are checked, and the message says which array failed."""
    check(FITTING, SCHEMA)
    with pytest.raises(BadArrays, match=message):
        check(FITTING | change, SCHEMA)


def test_a_missing_array_is_refused():
    """A file with fewer arrays than its schema is refused."""
    with pytest.raises(BadArrays, match="expected"):
        check({"mask": FITTING["mask"]}, SCHEMA)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_that_are_none_are_found(number, dtype):
    """An array with NaN or infinity is refused by its name."""
    check_finite(FITTING)
    with pytest.raises(BadArrays, match="latents holds NaN or infinity"):
        check_finite(FITTING | {"latents": np.array([0, number], dtype)})


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.tuples(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 3), max_size=3)),
        max_size=4,
    )
)
def test_any_names_and_shapes_survive(rows):
    """Arrays of any names and shapes come back unchanged."""
    arrays = {
        name: np.ones(shape, DTYPES[dtype])
        for name, (dtype, shape) in rows.items()
        if name != "__metadata__" and not any(0xD800 <= ord(letter) < 0xE000 for letter in name)
    }
    assert same(decode(encode(arrays)), arrays)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_never_does_worse_than_refuse(data):
    """Any bytes give arrays or BadArrays, never another error or a crash."""
    good = bytearray(encode(FITTING))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, 200))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(good))
    except BadArrays:
        return
