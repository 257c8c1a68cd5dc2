"""Old `.pkl` tensors are read without unpickling, and planted programs are refused.

tests/data/old_tensors holds small tensors as torch wrote them; make_old_tensors.py there made them.
"""

import json
import os
import pickle
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vitrine_orchestrator.cache.takeover.pickle_opcodes import Refused
from vitrine_orchestrator.cache.takeover.restricted_pickle import load_tensor

DATA = Path(__file__).parents[2] / "data" / "old_tensors"
ROWS = json.loads((DATA / "rows.json").read_text())


@pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])
def test_every_way_torch_wrote_a_tensor_is_read(row):
    """Three formats, all dtypes, views and empty tensors give the values that torch reads, read-only."""
    array = load_tensor((DATA / row["file"]).read_bytes())
    assert (list(array.shape), array.dtype.name) == (row["shape"], row["dtype"])
    assert np.array_equal(array.reshape(-1), np.array(row["values"], array.dtype))
    assert not array.flags.writeable


class Evil:
    """An object that calls a function when the standard loader unpickles it."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


MARKER = "vitrine-was-here"
PLANTED = {
    "a command": pickle.dumps(Evil(os.system, f"touch {MARKER}")),
    "a command, protocol 0": pickle.dumps(Evil(os.system, f"touch {MARKER}"), 0),
    "eval": pickle.dumps(Evil(eval, f"open('{MARKER}', 'w')")),
    "a process": pickle.dumps(Evil(subprocess.call, ["touch", MARKER])),
    "an import": b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.",
    "an attribute path": b"\x80\x04\x8c\x0btorch._utils\x8c\x1f_rebuild_tensor_v2.__globals__x\x93.",
    "a global of ours": b"\x80\x02cvitrine_orchestrator.cache.restricted\nload_tensor\n.",
    "a state for a function": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.",
    "an instance": b"(ios\nsystem\n.",
    "an object": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a call of a constant": b"\x80\x02ctorch\nFloatStorage\n)R.",
    "no tensor": pickle.dumps({"x": [1, 2]}),
    "a number": pickle.dumps(7),
    "a numpy array": pickle.dumps(np.zeros(3)),
    "nothing": b"",
    "text": b"hello, this is no pickle",
    "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "an empty archive": b"PK\x05\x06" + bytes(18),
    "a cut archive": (DATA / "zip_float32.pkl").read_bytes()[:200],
    "a cut pickle": (DATA / "pickle_float32.pkl").read_bytes()[:-9],
    "more behind": (DATA / "pickle_float32.pkl").read_bytes() + b"x",
    "hooks": (DATA / "pickle_float32.pkl").read_bytes().replace(b")R\x94t\x94R", b"]R\x94t\x94R"),
}


def nested(depth: int) -> bytes:
    """A storage nested in two storages."""
    data = b"\x80\x04N."
    for _ in range(depth):
        data = (
            b"\x80\x04ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(data)) + data + b"\x85R."
        )
    return data


PLANTED["bytes within bytes"] = nested(2000)


@pytest.mark.parametrize("data", PLANTED.values(), ids=PLANTED)
def test_whatever_is_no_tensor_is_refused(data, tmp_path, monkeypatch):
    """Commands, imports, states, instances and damage raise Refused, and nothing runs."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused):
        load_tensor(data)
    assert list(tmp_path.iterdir()) == []


def test_the_planted_programs_would_have_run(tmp_path, monkeypatch):
    """Positive control: the standard loader runs the first of them."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(PLANTED["a command"])
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def test_a_tensor_larger_than_its_storage_is_refused():
    """Size, stride and offset must stay within the storage, or other memory would be read."""
    good = (DATA / "pickle_float32.pkl").read_bytes()
    shape = b"K\x02K\x03\x86"
    assert good.count(shape) == 1
    with pytest.raises(Refused, match="does not lie in its 6 values"):
        load_tensor(good.replace(shape, b"K\x02K\x04\x86"))


def test_too_large_a_file_is_refused_before_reading(monkeypatch):
    """The limit is on the file as well as on the array."""
    monkeypatch.setattr("vitrine_orchestrator.cache.takeover.restricted_pickle.MAX_BYTES", 100)
    with pytest.raises(Refused, match="at most 100"):
        load_tensor(bytes(101))


def test_a_small_file_cannot_make_a_large_array():
    """A tensor of stride 0 over one value is bounded in size."""
    good = (DATA / "pickle_float32.pkl").read_bytes()
    huge = b"J\xff\xff\xff\x0fJ\xff\xff\xff\x0f\x86"
    stride = b"K\x03K\x01\x86"
    assert good.count(stride) == 1
    with pytest.raises(Refused):
        load_tensor(good.replace(b"K\x02K\x03\x86", huge).replace(stride, b"K\x00K\x00\x86"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_never_does_worse_than_refuse(data):
    """Any altered file gives a tensor or Refused, never another error."""
    row = data.draw(st.sampled_from(ROWS))
    altered = bytearray((DATA / row["file"]).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    try:
        load_tensor(bytes(altered))
    except Refused:
        return


def test_neither_torch_nor_a_loader_of_pickles_is_imported():
    """Reading an old file imports no module that could run a program."""
    script = (
        "import sys\n"
        "import vitrine_orchestrator.cache.takeover.restricted_pickle\n"
        "import vitrine_orchestrator.cache.codec\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    package = Path(sys.modules["vitrine_orchestrator.cache.takeover.restricted_pickle"].__file__).parent
    for path in package.glob("*.py"):
        for word in ("import pickle\n", "pickle.load", "torch.load(", "Unpickler", "allow_pickle"):
            assert word not in path.read_text(), f"{path.name}: {word}"


def test_nothing_that_serves_can_load_a_pickle():
    """No source of client or server imports a loader of pickles, or asks a library for one."""
    root = Path(__file__).parents[3]
    loads = re.compile(
        r"^\s*(import|from) +(pickle|dill|joblib|shelve)\b|torch\.load|allow_pickle=True", re.M
    )
    sources = [*(root / "client").rglob("*.py"), *(root / "orchestrator").rglob("*.py")]
    assert len(sources) > 100
    assert [path.name for path in sources if loads.search(path.read_text())] == []
