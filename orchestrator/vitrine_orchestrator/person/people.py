"""Assembles people from joint peaks and part affinity fields: which elbow belongs to which shoulder.

The method is that of "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields" (Cao et al., 2017)
with the thresholds of the released IDM-VTON preprocessing.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.person.labels import Joint


class Limb(NamedTuple):
    """Two joints and the first of the two affinity channels (x, then y) that point from `start` to `end`."""

    start: Joint
    end: Joint
    channel: int


LIMBS = (
    Limb(Joint.NECK, Joint.RIGHT_SHOULDER, 12),
    Limb(Joint.NECK, Joint.LEFT_SHOULDER, 20),
    Limb(Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW, 14),
    Limb(Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST, 16),
    Limb(Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, 22),
    Limb(Joint.LEFT_ELBOW, Joint.LEFT_WRIST, 24),
    Limb(Joint.NECK, Joint.RIGHT_HIP, 0),
    Limb(Joint.RIGHT_HIP, Joint.RIGHT_KNEE, 2),
    Limb(Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE, 4),
    Limb(Joint.NECK, Joint.LEFT_HIP, 6),
    Limb(Joint.LEFT_HIP, Joint.LEFT_KNEE, 8),
    Limb(Joint.LEFT_KNEE, Joint.LEFT_ANKLE, 10),
    Limb(Joint.NECK, Joint.NOSE, 28),
    Limb(Joint.NOSE, Joint.RIGHT_EYE, 30),
    Limb(Joint.RIGHT_EYE, Joint.RIGHT_EAR, 34),
    Limb(Joint.NOSE, Joint.LEFT_EYE, 32),
    Limb(Joint.LEFT_EYE, Joint.LEFT_EAR, 36),
    Limb(Joint.RIGHT_SHOULDER, Joint.RIGHT_EAR, 18),
    Limb(Joint.LEFT_SHOULDER, Joint.LEFT_EAR, 26),
)  # in the order of assembly; the last two never begin a person
STARTING_LIMBS = 17  # only the first so many of LIMBS begin a new person
SAMPLES = 10  # places along a limb where its affinity is read
MIN_AFFINITY = 0.05  # a place with less does not support the limb
MIN_AGREEING = 0.8  # a limb needs more than this share of supporting places
MIN_JOINTS, MIN_MEAN_SCORE = 4, 0.4  # a person with less is dropped as noise


class Peaks(NamedTuple):
    """The candidates of one joint: places (n, 2), x and y in map pixels, and scores (n,), float64."""

    places: NDArray[np.float64]
    scores: NDArray[np.float64]


class Link(NamedTuple):
    """Peak `start` of one joint and peak `end` of another make a limb."""

    start: int
    end: int
    score: float


@dataclass(eq=False)
class Person:
    """Peak numbers by joint, and the sum of the scores of its joints and limbs."""

    peaks: dict[Joint, int]
    score: float
    joints: int = 2  # as in the released code, a replaced joint is counted again

    def has(self, limb: Limb, link: Link) -> bool:
        """Whether one of the link's ends is a joint of this person."""
        return self.peaks.get(limb.start) == link.start or self.peaks.get(limb.end) == link.end

    def is_credible(self) -> bool:
        """Whether there are enough joints with a high enough mean score; noise has neither."""
        return self.joints >= MIN_JOINTS and self.score / self.joints >= MIN_MEAN_SCORE


def assemble(peaks: list[Peaks], pafs: NDArray[np.floating]) -> list[Person]:
    """The credible people in peaks (one entry for each `Joint`) and affinities (38, h, w).

    They are in the order of their first limbs; places are pixels of the affinity maps.
    """
    people: list[Person] = []
    for number, limb in enumerate(LIMBS):
        for link in _links(limb, peaks, pafs):
            _join(people, limb, link, peaks, may_begin=number < STARTING_LIMBS)
    return [person for person in people if person.is_credible()]


def _links(limb: Limb, peaks: list[Peaks], pafs: NDArray[np.floating]) -> list[Link]:
    """The best pairs of peaks for one limb, strongest first; no peak is used twice."""
    field = pafs[limb.channel : limb.channel + 2]
    scores = _affinity(peaks[limb.start].places, peaks[limb.end].places, field)
    starts, ends = np.nonzero(scores > 0)
    order = np.argsort(-scores[starts, ends], kind="stable")
    links: list[Link] = []
    used_starts: set[int] = set()
    used_ends: set[int] = set()
    for start, end in zip(starts[order].tolist(), ends[order].tolist(), strict=True):
        if start not in used_starts and end not in used_ends:
            used_starts.add(start)
            used_ends.add(end)
            links.append(Link(start, end, float(scores[start, end])))
    return links


def _affinity(
    starts: NDArray[np.float64], ends: NDArray[np.float64], paf: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The affinity of each pair of places in the field (2, h, w): (starts, ends), 0 for unsupported pairs.

    It is the mean of the field's component along the limb, minus a penalty for limbs longer than half the
    map's height.
    """
    along = ends[None] - starts[:, None]  # (starts, ends, 2)
    length = np.maximum(np.linalg.norm(along, axis=-1), 1e-3)
    steps = np.linspace(0, 1, SAMPLES)[:, None]
    places = np.rint(starts[:, None, None] + along[:, :, None] * steps).astype(int)
    x, y = (np.clip(places[..., i], 0, paf.shape[2 - i] - 1) for i in (0, 1))
    shares = np.einsum("cabs,abc->abs", paf[:, y, x], along / length[..., None])
    scores = shares.mean(-1) + np.minimum(0.5 * paf.shape[1] / length - 1, 0)
    agreeing = (shares > MIN_AFFINITY).sum(-1) > MIN_AGREEING * SAMPLES
    return np.where(agreeing, scores, 0)


def _join(people: list[Person], limb: Limb, link: Link, peaks: list[Peaks], may_begin: bool) -> None:
    """Add the link to the person that has one of its ends, merge two people by it, or begin a new person."""
    owners = [person for person in people if person.has(limb, link)]
    start_score, end_score = (
        float(peaks[joint].scores[peak]) for joint, peak in ((limb.start, link.start), (limb.end, link.end))
    )
    if not owners:
        if may_begin:
            both = {limb.start: link.start, limb.end: link.end}
            people.append(Person(both, start_score + end_score + link.score))
        return
    first, *others = owners
    if others and not first.peaks.keys() & others[0].peaks.keys():
        first.peaks |= others[0].peaks
        first.joints += others[0].joints
        first.score += others[0].score + link.score
        people.remove(others[0])
    elif others or first.peaks.get(limb.end) != link.end:
        first.peaks[limb.end] = link.end
        first.joints += 1
        first.score += end_score + link.score
