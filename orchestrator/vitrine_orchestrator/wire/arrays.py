"""Arrays by name, as models and stages take and return them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

Arrays: TypeAlias = Mapping[str, np.ndarray]
