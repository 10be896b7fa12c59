"""What an editor shows about loss files and loss grammars: `a2l lsp`.

Every feature is a function over a text; `server.py` alone speaks the language server protocol.
"""
