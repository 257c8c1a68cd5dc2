"""The memory of a GPU, with a stand-in for NVIDIA's library: no GPU is at hand."""

import pytest
from vitrine.errors import Unavailable
from vitrine_orchestrator.residency import meter


class Library:
    """Answers as the library does: by a code, and through pointers."""

    def __init__(self, used, code=0):
        self.used, self.code = used, code

    def nvmlInit_v2(self):
        """Begin."""
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):
        """The device's handle."""
        handle._obj.value = 7
        return 0 if index.value == 0 else 2

    def nvmlDeviceGetMemoryInfo(self, handle, memory):
        """Fills in the memory."""
        assert handle.value == 7
        memory._obj.used = self.used
        return self.code


def test_the_memory_in_use_is_read_from_the_library(monkeypatch):
    """In bytes, for all processes together."""
    monkeypatch.setattr(meter.ctypes, "CDLL", lambda name: Library(5 * 2**30))
    opened = meter.open_meter("device", server=1)
    assert not opened.by_model
    assert opened.read() == meter.Reading(5 * 2**30)


def test_an_error_of_the_library_is_unavailable(monkeypatch):
    """The message has the call and its code."""
    monkeypatch.setattr(meter.ctypes, "CDLL", lambda name: Library(0, code=999))
    with pytest.raises(Unavailable, match="nvmlDeviceGetMemoryInfo answered 999"):
        meter.DeviceMeter().read()
    with pytest.raises(Unavailable, match="nvmlDeviceGetHandleByIndex_v2 answered 2"):
        meter.DeviceMeter(3)


def test_a_machine_without_a_driver_says_so(monkeypatch):
    """The library is missing there."""

    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(meter.ctypes, "CDLL", missing)
    with pytest.raises(Unavailable, match="the memory of the GPU cannot be measured"):
        meter.open_meter("device", server=1)
