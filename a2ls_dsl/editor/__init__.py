"""What an editor shows about loss files and loss grammars: `a2l lsp`.

Every feature is a function over a text; `protocol/` alone speaks the language server protocol.
"""
