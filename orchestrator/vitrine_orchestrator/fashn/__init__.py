"""FASHN VTON, a try-on family in pixel space: canvas, pose pictures, DWPose decoding, masks. No torch.

The facts are those of the published pipeline (fashn-AI/fashn-vton-1.5, Apache-2.0); the code is our own.
"""
