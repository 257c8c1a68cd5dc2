"""Soft masks: a large blur looks as a small one does, and costs no more."""

import cv2
import numpy as np
import pytest
from vitrine_orchestrator.lettering.masks import mask_of, moved, soft

DRAWN = np.zeros((431, 517), np.uint8)
DRAWN[150:280, 200:330] = 255
DRAWN[180:200, 230:300] = 0


@pytest.mark.parametrize("deviation", [0.05, 3, 11.5, 15.9])
def test_usual_blurs_are_the_gaussians(deviation):
    """Up to 16 pixels nothing is reduced."""
    blurred = cv2.GaussianBlur(mask_of(DRAWN), (0, 0), deviation, borderType=cv2.BORDER_CONSTANT)
    assert np.array_equal(soft(DRAWN, deviation), mask_of(DRAWN) if deviation < 0.1 else blurred)


@pytest.mark.parametrize("beyond", [cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101])
@pytest.mark.parametrize("deviation", [16, 25, 60])
def test_a_large_blur_is_done_small_and_is_the_same(monkeypatch, deviation, beyond):
    """Within a level of 8 bits; the kernel that is computed stays small."""
    wanted = cv2.GaussianBlur(mask_of(DRAWN), (0, 0), deviation, borderType=beyond)
    used, blur = [], cv2.GaussianBlur
    monkeypatch.setattr(
        cv2, "GaussianBlur", lambda *args, **more: used.append(args[2]) or blur(*args, **more)
    )
    found = soft(DRAWN, deviation, beyond)
    assert np.abs(found - wanted).max() < 1.5 / 255
    assert max(used) <= 16


def test_a_mask_is_moved_by_whole_pixels():
    """What leaves the canvas is lost."""
    assert np.array_equal(moved(DRAWN, 3.2, -2)[:-2, 3:], DRAWN[2:, :-3])
