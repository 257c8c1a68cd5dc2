"""Finds tritonserver and its libraries in the `nvidia-pytriton` wheel, and lays out its backends."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from vitrine.errors import Unavailable

WHEELS = "nvidia-pytriton==0.7.0 numpy==1.26.4"
"""tritonserver 2.51.0 (24.10), and the last numpy that its Python backend reads correctly: the stub is built
with pybind11 internals v4, which read numpy 2 arrays as empty and crash on its strings."""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
STUB = "triton_python_backend_stub"


@dataclass(frozen=True)
class Wheel:
    """The folder that `pip install --no-deps --target FOLDER nvidia-pytriton==0.7.0 numpy==1.26.4` fills."""

    folder: Path

    @property
    def tritonserver(self) -> Path:
        """The folder with bin, backends, caches and python_backend_stubs."""
        return self.folder / "pytriton" / "tritonserver"

    @property
    def server(self) -> Path:
        """The server's program."""
        return self.tritonserver / "bin" / "tritonserver"

    @property
    def stub(self) -> Path:
        """The Python backend's process for the running Python."""
        return self.tritonserver / "python_backend_stubs" / PYTHON / STUB

    @property
    def libraries(self) -> Path:
        """The shared libraries that the server brings along."""
        return self.folder / "nvidia_pytriton.libs"


def find_wheel(folder: Path | None) -> Wheel:
    """The wheel in `folder`, or in `triton` of the running environment; Unavailable says how to get it."""
    wheel = Wheel(folder or Path(sys.prefix) / "triton")
    if not wheel.server.exists() or not (wheel.folder / "numpy").exists():
        raise Unavailable(
            f"no tritonserver in {wheel.folder}: run make setup, "
            f"or pip install --no-deps --target {wheel.folder} {WHEELS}"
        )
    if not wheel.stub.exists():
        raise Unavailable(f"tritonserver has no Python backend for Python {PYTHON}: use Python 3.11 or 3.12")
    return wheel


def find_libpython() -> Path:
    """The folder of the running Python's shared library, which the Python backend links to."""
    name = sysconfig.get_config_var("INSTSONAME") or ""
    if not name.startswith(f"libpython{PYTHON}.so"):
        name = f"libpython{PYTHON}.so.1.0"
    folders = [
        sysconfig.get_config_var("LIBDIR"),
        str(Path(sys.base_prefix) / "lib"),
        f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}",
        "/usr/lib64",
    ]
    for folder in folders:
        if folder and (Path(folder) / name).exists():
            return Path(folder)
    raise Unavailable(
        f"{name} is missing: install the package libpython{PYTHON} (apt-get install libpython{PYTHON}), "
        "or use a Python built with --enable-shared"
    )


def lay_out_backends(wheel: Wheel, ours: Path, folder: Path) -> None:
    """Fill `folder` for --backend-directory: the Python backend with its stub, and each backend in `ours`.

    All files are copies, because Triton refuses links that lead out of a backend's folder.
    """
    python = folder / "python"
    python.mkdir(parents=True)
    for source in (wheel.tritonserver / "backends" / "python").iterdir():
        if source.is_file():
            shutil.copy2(source, python / source.name)
    shutil.copy2(wheel.stub, python / STUB)
    for backend in sorted(path for path in ours.iterdir() if (path / "model.py").exists()):
        (folder / backend.name).mkdir()
        shutil.copy2(backend / "model.py", folder / backend.name / "model.py")


def lay_out_python(wheel: Wheel, folder: Path) -> Path:
    """Create a Python environment for the stubs: the wheel's numpy, then the running environment's packages.

    Returns its folder of programs, to be first on PATH: the stub runs isolated, so it reads no PYTHONPATH
    and takes its packages from the python3 it finds there. Bytecode is kept outside the packages and the
    models: a new __pycache__ in a model's version would make Triton reload it.
    """
    programs = folder / "bin"
    packages = folder / "lib" / f"python{PYTHON}" / "site-packages"
    programs.mkdir(parents=True)
    packages.mkdir(parents=True)
    base = Path(sys.base_prefix) / "bin"
    bytecode = str(derived_folder(wheel, folder) / "bytecode")
    (programs / "python3").symlink_to(base / f"python{PYTHON}")
    (folder / "pyvenv.cfg").write_text(f"home = {base}\n", encoding="utf-8")
    lines = [
        f"import sys; sys.dont_write_bytecode = False; sys.pycache_prefix = {bytecode!r}",
        str(wheel.folder),
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})",
    ]
    (packages / "vitrine.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return programs


def derived_folder(wheel: Wheel, own: Path) -> Path:
    """Where servers keep what is made from programs and networks: beside the wheel, or in `own`."""
    return (wheel.folder if os.access(wheel.folder, os.W_OK) else own) / "derived"
