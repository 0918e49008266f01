"""The mean of several models' quantiles: errors that do not agree cancel (Bates & Granger 1969; Vincent's average of
quantiles). Each member's band is calibrated first, so that a member without quantiles of its own takes part as a band;
each step and each level is weighted by what was right lately (``recent_loss``).
"""

from dataclasses import dataclass

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints
from forecaster.models.model import Fitted
from forecaster.models.recent_loss import weighted


@dataclass(frozen=True, eq=False)
class Combination:
    """Fitted members and, for each, what is added to its lower and upper quantile per step: (horizon, 2)."""

    names: tuple[str, ...]
    members: tuple[Fitted, ...]
    offsets: tuple[Floats, ...]
    weights: Floats
    """(members, horizon, 3), at each place 1 over all members."""

    def predict(self, frame: Frame, origins: Ints) -> Floats:
        """(origins, horizon, 3): the weighted mean of the members' calibrated quantiles."""
        found = []
        for member, offset in zip(self.members, self.offsets, strict=True):
            raw = member.predict(frame, origins).copy()
            raw[..., 0] = np.minimum(raw[..., 0] + offset[:, 0], raw[..., 1])
            raw[..., 2] = np.maximum(raw[..., 2] + offset[:, 1], raw[..., 1])
            found.append(raw)
        return weighted(np.stack(found), self.weights[:, None])

    @property
    def rows(self) -> int:
        """How much history a prediction looks at."""
        return max(getattr(member, "rows", 0) for member in self.members)
