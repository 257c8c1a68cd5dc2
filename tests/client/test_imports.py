"""What importing the client's package costs."""

import subprocess
import sys

import pytest
import vitrine

HEAVY = {"PIL", "asyncio", "http.client", "numpy", "tritonclient", "cv2", "pillow_heif", "onnxruntime"}


def imported(statement):
    """The heavy modules that a statement imports in a new process."""
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; {statement}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return HEAVY.intersection(told.stdout.split())


@pytest.mark.parametrize("name", vitrine.__all__)
def test_every_public_name_is_found(name):
    """When it is first used."""
    assert getattr(vitrine, name) is not None
    assert name in dir(vitrine)


def test_an_unknown_name_is_an_attribute_error():
    """As in any module."""
    with pytest.raises(AttributeError, match="no attribute 'Vitrin'"):
        vitrine.Vitrin  # noqa: B018


def test_modules_are_found_by_the_package_alone():
    """`import vitrine` is enough for vitrine.errors.Busy."""
    assert imported("import vitrine; vitrine.errors.Busy") == set()


@pytest.mark.parametrize(
    ("statement", "needs"),
    [
        ("import vitrine_orchestrator.cores.turn_lock", set()),
        ("import vitrine_orchestrator.adapters.denoise", {"asyncio", "numpy", "onnxruntime"}),
    ],
)
def test_processes_of_networks_start_with_few_modules(statement, needs):
    """Each network of an embedded server is a process, whose start is most of its load."""
    assert imported(statement) <= needs


def test_a_command_of_stores_names_the_extra_that_it_needs():
    """Without obstore the error is one line that says what to install."""
    program = """
import sys
sys.modules["obstore"] = None  # as if it were not installed
from vitrine.command import main
sys.exit(main(["results", "--store", "s3://pictures", "list", "ada"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'vitrine[results]' brings it" in done.stderr


def test_pictures_are_read_with_pillow_alone():
    """A client has neither OpenCV nor pillow_heif."""
    assert imported("import vitrine.pictures, vitrine.photos.reading") <= {"PIL", "numpy"}
