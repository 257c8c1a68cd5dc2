"""The networks of the person stages: OpenPose's body network and the paper-doll checkpoint's segmenters."""

from vitrine_export.person_nets.body_pose import BodyPose
from vitrine_export.person_nets.segmenter import DensePose, Parsing, Segmenter

__all__ = ["BodyPose", "DensePose", "Parsing", "Segmenter"]
