"""Experiments: tables of arms, environments and seeds, run piece by piece, collected into one page."""
