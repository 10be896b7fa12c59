"""`visited` of one action is a state, in grammars, too; what a grammar gives is counted as that."""

from __future__ import annotations

from a2ls_dsl.lang.grammar import parse_grammar
from a2ls_dsl.lang.load import loads

HEAD = "loss = mse({ visited(s[t], a[t..t+k-1]), a[t..t+k-1] } -> { r[t..t+k-1] })"
OPTIONS = "with head = linear, transition = (plain | linear), decay = (0.5 | 1)"


def test_losses_of_one_step_are_counted_once() -> None:
    """Of one step there are four derivations of one loss, of two steps there are four losses."""
    state = "mse({ s[t], a[t] } -> { r[t] }) with head = linear"
    grammar = parse_grammar(f"grammar g for k in 1..2\n{HEAD} {OPTIONS}\n    | {state}")
    listed = list(grammar.enumerate())
    assert grammar.count() == len(listed) == len(set(listed)) == 5
    assert grammar.derivations() == 10
    step = loads(f"loss a = {state}")["a"]
    assert step in listed
    assert grammar.contains(step)


def test_a_written_step_keeps_its_options_a_state_has_none() -> None:
    grammar = parse_grammar(f"grammar g for k in 1..1\n{HEAD} {OPTIONS}")
    written = loads(f"{HEAD.replace('loss', 'loss a').replace('t+k-1', 't')} with head = linear, decay = 0.5")
    assert list(grammar.enumerate()) == [written["a"]]
