"""A repository like an export's, whose networks are words."""

import hashlib

from vitrine_orchestrator.manifest import manifest_text, read_releases
from vitrine_orchestrator.stages import STAGES, stages_of

FACTS = {"scheduler": {"beta_start": 0.1}}
GRAPH = {"idm_vton": "unet.onnx", "fashn": "fashn_step.onnx"}  # a file of each family in `denoise`


def exported(folder, family="idm_vton", facts=FACTS, **changed):
    """A repository like an export's, with contents by stage; entries of other families stay."""
    rows = stages_of(family)
    networks = [row.name for row in rows if row.backend == "onnxruntime"]
    files = {f"{name}/1/model.onnx": changed.get(name, "network") for name in networks}
    files[f"denoise/1/{GRAPH[family]}"] = changed.get("denoise", f"network of {family}")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    entry = {"facts": facts, "digest": str(sorted(changed.items())), "exporter": "test", "files": digests}
    for row in STAGES:
        if row.needs_manifest:
            inside = folder / row.name / "1"
            inside.mkdir(parents=True, exist_ok=True)
            (inside / "model.py").write_text("code")
            if family in row.families:
                others = read_releases(inside) if (inside / "manifest.json").exists() else {}
                (inside / "manifest.json").write_text(manifest_text(others | {family: entry}))
    return folder
