"""The numpy side of the person networks: their inputs, the decoding of their outputs, and the mask."""
