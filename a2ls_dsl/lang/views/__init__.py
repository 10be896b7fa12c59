"""A loss as a formula for LaTeX and as a timeline."""
