"""The texts of rules and hints, as data."""
