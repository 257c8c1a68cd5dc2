"""The networks of the person stages: OpenPose's body network, and the small checkpoints' own networks."""

from vitrine_export.person_nets.body_pose import BodyPose
from vitrine_export.person_nets.doll_people import DollDetector, DollJoints
from vitrine_export.person_nets.segmenter import DensePose, Parsing, Segmenter

__all__ = ["BodyPose", "DensePose", "DollDetector", "DollJoints", "Parsing", "Segmenter"]
