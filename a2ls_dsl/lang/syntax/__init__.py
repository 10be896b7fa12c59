"""Text and tree: the parser with its recovery, the tree, the printer, the layout."""
