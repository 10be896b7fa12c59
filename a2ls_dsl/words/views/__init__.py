"""The views of the language, a few to a file."""
