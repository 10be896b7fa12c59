"""The features of an editor in the words of the language server protocol."""
