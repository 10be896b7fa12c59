"""Many losses as one batched computation. What differs between members is data, never shapes or code."""

from a2ls_dsl.backend.stacked.agent import StackAgent, StackEncoder
from a2ls_dsl.backend.stacked.capacity import PADDING, PADDING_ON_GPU, Capacity
from a2ls_dsl.backend.stacked.loss import Layout, StackedLoss

__all__ = ["PADDING", "PADDING_ON_GPU", "Capacity", "Layout", "StackAgent", "StackEncoder", "StackedLoss"]
