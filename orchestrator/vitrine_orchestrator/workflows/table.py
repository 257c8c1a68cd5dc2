"""The nodes' table: every class that a graph can name, one row each."""

from __future__ import annotations

from vitrine_orchestrator.product_ad.drawn_jobs import drawn
from vitrine_orchestrator.workflows import picture_nodes
from vitrine_orchestrator.workflows.node_classes import NodeClass
from vitrine_orchestrator.workflows.stage_nodes import stage_node

CLASSES: dict[str, NodeClass] = {
    row.name: row
    for row in (
        *picture_nodes.ROWS,
        stage_node(
            "prepare_ad_prompt",
            "an English prompt from a Korean or English sentence ([ad prompts](ad-prompts.md))",
            outputs=("prompt", "negative_prompt"),
            required=("sentence",),
            releases=(),
        ),
        stage_node(
            "text_to_image",
            "a picture from a prompt ([prompts](prompts.md))",
            call=drawn,
            outputs=("image", "seed"),
            required=("prompt",),
        ),
        stage_node(
            "image_to_image",
            "a picture changed as a prompt says ([prompts](prompts.md))",
            call=drawn,
            outputs=("image", "seed"),
            required=("prompt", "image"),
        ),
        stage_node(
            "cut_out",
            "the product of a photograph on a transparent ground ([cut-outs](cut-out.md))",
            outputs=("image", "alpha"),
            required=("image",),
        ),
        stage_node(
            "compose",
            "cut-out products in a scene: placed, with shadows, in its light ([ads](product-ads.md))",
            outputs=("image", "alpha", "shadow"),
            required=("scene", "product"),
        ),
        stage_node(
            "text_overlay",
            "texts on a picture, where they can be read ([text](text.md))",
            outputs=("image",),
            required=("image", "texts"),
        ),
        stage_node(
            "product_ad",
            "an advertisement from photographs, in one node ([ads](product-ads.md))",
            outputs=("image", "origin", "alpha", "seed"),
            required=("product",),
            releases=("text_to_image", "image_to_image", "cut_out"),
            keeps=False,
        ),
        stage_node(
            "score",
            "CLIP's cosine of a picture and a prompt ([scores](scores.md))",
            outputs=("cosine",),
            required=("image", "prompt"),
        ),
        stage_node(
            "try_on",
            "a person in a garment; nothing of it is kept ([calling](calling.md))",
            outputs=("image", "mask", "seed"),
            required=("person", "garment"),
            keeps=False,
        ),
    )
}
