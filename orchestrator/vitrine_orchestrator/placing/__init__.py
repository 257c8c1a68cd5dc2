"""Where something can stand on a picture: free boxes, their cost, and the contrast of ink on them.

Knows no pipeline, no text and no font: a box of pixels is placed, whatever will be drawn in it.
"""
