"""Paper dolls: synthetic people and garments, drawn with the exact output of every try-on stage."""

from vitrine_orchestrator.person.labels import CATEGORIES, Category

from vitrine_world.dolls.figure import keypoints
from vitrine_world.dolls.garment import FORMS, PATTERNS, VOCABULARY, Garment
from vitrine_world.dolls.person import Background, Person, Pose, wear
from vitrine_world.dolls.render import SIZE, draw_garment, draw_person, labels, parts
from vitrine_world.dolls.sampling import Sample, sample

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
