"""Loss grammars: search spaces of losses, written in `.a2g` files."""

from a2ls_dsl.lang.grammar.load import load_grammar, parse_grammar
from a2ls_dsl.lang.grammar.moves import Grammar

__all__ = ["Grammar", "load_grammar", "parse_grammar"]
