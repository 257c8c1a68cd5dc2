"""The engines that run FASHN VTON's networks."""
