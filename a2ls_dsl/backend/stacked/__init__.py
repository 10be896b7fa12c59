"""Many losses as one batched computation. What differs between members is data, never shapes or code."""

from a2ls_dsl.backend.stacked.capacity import PADDING, Capacity
from a2ls_dsl.backend.stacked.general import StackAgent, StackEncoder
from a2ls_dsl.backend.stacked.loss import StackedLoss

__all__ = ["PADDING", "Capacity", "StackAgent", "StackEncoder", "StackedLoss"]
