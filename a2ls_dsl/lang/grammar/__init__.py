"""Loss grammars: search spaces of losses, written in `.a2g` files."""

from a2ls_dsl.lang.grammar.grammar import Grammar, load_grammar, parse_grammar

__all__ = ["Grammar", "load_grammar", "parse_grammar"]
