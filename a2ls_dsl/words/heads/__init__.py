"""The heads of the language, a few to a file."""
