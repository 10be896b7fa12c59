"""What a loss file must satisfy, and the canonical form, a loss' identity."""
