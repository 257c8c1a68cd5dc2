"""Paper dolls: drawn people and garments, with the exact answer of every try-on stage."""

from vitrine_orchestrator.person.labels import CATEGORIES, Category

from vitrine_export.dolls.figure import keypoints
from vitrine_export.dolls.garment import FORMS, PATTERNS, VOCABULARY, Garment
from vitrine_export.dolls.person import Background, Person, Pose, wear
from vitrine_export.dolls.render import SIZE, draw_garment, draw_person, labels, parts
from vitrine_export.dolls.sampling import Sample, sample

__all__ = [
    "CATEGORIES",
    "FORMS",
    "PATTERNS",
    "SIZE",
    "VOCABULARY",
    "Background",
    "Category",
    "Garment",
    "Person",
    "Pose",
    "Sample",
    "draw_garment",
    "draw_person",
    "keypoints",
    "labels",
    "parts",
    "sample",
    "wear",
]
