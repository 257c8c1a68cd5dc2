"""The networks for cut-outs that can be adopted: one row for each way to read a file's input and output.

To adopt another network, add a row: `vitrine-export cut-out --network NAME` then takes any ONNX file of it.
"""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]

IMAGENET: tuple[Colour, Colour] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's colours in 0 to 1."""
CENTRED: tuple[Colour, Colour] = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
"""Of the released code of DIS (IS-Net)."""


@dataclass(frozen=True)
class CutOutNetwork:
    """One row: how files of a network are read, and which released files are known to be of it."""

    name: str
    side: int  # of the square input, in pixels
    colours: tuple[Colour, Colour]  # mean and standard deviation of the input's colours
    output: str  # what it answers: a row of vitrine_orchestrator.cut_out.alphas.CHANCES
    weights: str  # the row of vitrine.licences with the licence of its released weights
    files: tuple[tuple[str, str], ...] = ()  # name and MD5 of released files, as rembg publishes them


NETWORKS: tuple[CutOutNetwork, ...] = (
    CutOutNetwork(
        "u2net",
        320,
        IMAGENET,
        "min-max",
        "U²-Net weights",
        (
            ("u2netp", "8e83ca70e441ab06c318d82300c84806"),
            ("u2net", "60024c5c889badc19c04ad937298a77b"),
            ("silueta", "55e59e0d8062d2f5d013f4725ee84782"),
        ),
    ),
    CutOutNetwork(
        "isnet",
        1024,
        CENTRED,
        "min-max",
        "IS-Net weights (DIS)",
        (("isnet-general-use", "fc16ebd8b0c10d971d3513d564d01e29"),),
    ),
    CutOutNetwork(
        "birefnet",
        1024,
        IMAGENET,
        "logits",
        "BiRefNet weights",
        (
            ("birefnet-general", "7a35a0141cbbc80de11d9c9a28f52697"),
            ("birefnet-general-lite", "4fab47adc4ff364be1713e97b7e66334"),
            ("birefnet-massive", "33e726a2136a3d59eb0fdf613e31e3e9"),
            ("birefnet-portrait", "c3a64a6abf20250d090cd055f12a3b67"),
        ),
    ),
    CutOutNetwork("paper-shop", 128, IMAGENET, "probability", "paper-shop checkpoint"),
)
"""The paper shop's file is trained here, so its digest is not pinned."""

NAMES = tuple(network.name for network in NETWORKS)


def network_named(name: str) -> CutOutNetwork:
    """Return the row of that name; KeyError if there is none."""
    return {network.name: network for network in NETWORKS}[name]


def network_of_file(md5: str) -> tuple[CutOutNetwork, str] | None:
    """Return the row and the name of the released file with that MD5; None for an unknown file."""
    known = ((network, name) for network in NETWORKS for name, digest in network.files if digest == md5)
    return next(known, None)
