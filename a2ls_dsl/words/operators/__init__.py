"""The operators of the language, a few to a file."""
