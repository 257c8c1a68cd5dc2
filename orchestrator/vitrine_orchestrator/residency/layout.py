"""Writes the second model repository of a server with a memory budget: its owner, and models made of others.

`residency` is the owner. `denoise_z_image` is `denoise` for one family. `vae_decoder_again_1` is
`vae_decoder` under another name: Triton 2.51 waits for ever for a process that was killed while it was being
loaded, and that name can never be loaded again; another name can.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from vitrine.errors import Unavailable

from vitrine_orchestrator.configs import config_pbtxt, parameter
from vitrine_orchestrator.embedded.repository import model_names
from vitrine_orchestrator.manifest import version_folders
from vitrine_orchestrator.residency.movable import FAMILY, Movable, movables
from vitrine_orchestrator.stages.residency import NAME, ROW

MODEL_FILE = """\
import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.residency import serve_residency
from vitrine_orchestrator.adapters.triton_model import triton_model

TritonPythonModel = triton_model(serve_residency, pb_utils)
"""


def write_owner(
    folder: Path,
    repository: Path,
    models: Iterable[str],
    address: str,
    meter: str,
    profile: str,
    key_file: str,
) -> None:
    """Write the model `residency` into `folder`, which is given to tritonserver as a second repository.

    models: those of `repository` that the server may load. address: of the server's gRPC endpoint.
    key_file: of the key of restricted APIs; empty if there is none.
    """
    version = folder / NAME / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(MODEL_FILE, encoding="utf-8")
    given = {
        "repository": str(repository),
        "models": ",".join(models),
        "address": address,
        "meter": meter,
        "profile": profile,
        "key_file": key_file,
    }
    lines = [parameter(key, value) for key, value in given.items()]
    (folder / NAME / "config.pbtxt").write_text(
        config_pbtxt(ROW, "cpu") + "\n".join(lines) + "\n", encoding="utf-8"
    )


def name_of(one: Movable, time: int) -> str:
    """The name under which Triton loads a model for the `time`-th time, if names before were lost; from 0."""
    return f"{one.name}_again_{time}" if time else one.name


def write_model(folder: Path, repository: Path, one: Movable, time: int = 0) -> None:
    """Write a model into `folder` that is made of one of `repository`, unless it is that one.

    Its version folders are links, brought up to date at each call.
    """
    name, source = name_of(one, time), repository / one.source
    if name == one.source:
        return
    for path in (source / "config.pbtxt", *source.glob("configs/*.pbtxt")):
        text = re.sub(
            r'^name: ".*"$', f'name: "{name}"', path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE
        )
        if one.family:
            text += parameter(FAMILY, one.family) + "\n"
        target = folder / name / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    versions = {path.name: path for path in version_folders(source)}
    for link in (folder / name).iterdir():
        if link.is_symlink() and link.name not in versions:
            link.unlink()
    for version, path in versions.items():
        if not (folder / name / version).is_symlink():
            (folder / name / version).symlink_to(path.resolve())


def main() -> int:
    """Write the second repository of a container, and print the models that it always loads.

    docker/serve.sh calls this with the second and the first repository, the profile, the file of the key, and
    the server's gRPC address.
    """
    folder, repository, profile, key_file, address = sys.argv[1:]
    try:
        served = model_names(Path(repository))
        moved = {one.source for one in movables(Path(repository), served)}
    except (Unavailable, ValueError) as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1
    meter = "processes" if profile == "cpu" else "device"
    write_owner(Path(folder), Path(repository), served, address, meter, profile, key_file)
    print("\n".join(sorted({*served, NAME} - moved)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
