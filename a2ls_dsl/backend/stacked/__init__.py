"""Many losses as one batched computation. What differs between members is data, never shapes or code."""

from a2ls_dsl.backend.stacked.general import StackAgent
from a2ls_dsl.backend.stacked.loss import StackedLoss
from a2ls_dsl.backend.stacked.tables import Capacity

__all__ = ["Capacity", "StackAgent", "StackedLoss"]
