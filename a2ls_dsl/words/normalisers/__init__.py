"""The normalisers of the language, a few to a file."""
