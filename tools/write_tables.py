"""Writes what is said of the entries of `a2ls_dsl/words` elsewhere: in the reference and for editors.

Run it after an entry was added or changed: `python tools/write_tables.py`. With `--check` it writes nothing,
and exits with 1 if something is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import a2ls_dsl.words  # noqa: F401 (reads the entries)
from a2ls_dsl.words.entry import Kind, Needs, Negatives, Number, Operator
from a2ls_dsl.words.language import TRANSITION
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import functions, heads, operators

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "language.md"
EDITORS = ROOT / "editors"


def operators_against_batch() -> Iterator[str]:
    yield from ("| operator | alone | `against batch` |", "|---|---|---|")
    for entry in operators.values():
        if entry.negatives is Negatives.ON_REQUEST:
            yield f"| `{entry.name}` | {_cell(entry.text)} | {_cell(entry.text_against)} |"


def operators_alone() -> Iterator[str]:
    yield from ("| operator | what it computes |", "|---|---|")
    for entry in operators.values():
        if entry.negatives is not Negatives.ON_REQUEST:
            yield f"| `{entry.name}` | {_cell(entry.text or entry.summary)} |"


def views() -> Iterator[str]:
    yield from ("| view | what it does | number |", "|---|---|---|")
    for entry in functions.values():
        if entry.kind is Kind.VIEW:
            numbers = ", ".join(str(number.range) for number in entry.parameters)
            yield f"| `{entry.example}` | {_cell(entry.summary)} | {numbers} |"


def normalisers() -> Iterator[str]:
    yield from ("| normaliser | what it does |", "|---|---|")
    for entry in functions.values():
        if entry.kind is Kind.NORMALISER:
            yield f"| `{entry.example}` | {_cell(entry.summary)} |"


def options() -> Iterator[str]:
    yield from ("| option | of | value | default |", "|---|---|---|---|")
    for learned_map in MAPS.values():
        without = ", ".join(
            f"`{entry.name}`" for entry in operators.values() if learned_map.name not in entry.maps
        )
        of = f"terms with {Needs.ROLLOUT.value}" if learned_map.name == TRANSITION else f"all but {without}"
        yield f"| `{learned_map.name}` | {of} | {learned_map.summary}: see below | `{learned_map.default}` |"
    names = dict.fromkeys(option.name for entry in operators.values() for option in entry.options)
    for name in names:
        having = [(entry, option) for entry in operators.values() if (option := entry.option(name))]
        variants = dict.fromkeys(option for _, option in having)
        defaults = dict.fromkeys(print_number(option.default) for option in variants)
        first = next(iter(variants))
        yield f"| `{name}` | {_whose(having)} | {first.summary}: {first.range} | {'; '.join(defaults)} |"


def _whose(having: list[tuple[Operator, Number]]) -> str:
    """The operators that have an option: `infonce`; `inner` and others against batch."""
    if all(option.needs is Needs.ROLLOUT for _, option in having):
        return f"terms with {Needs.ROLLOUT.value}"
    groups: dict[Needs, list[str]] = {}
    for entry, option in having:
        groups.setdefault(option.needs, []).append(f"`{entry.name}`")
    parts = [", ".join(names) + (f" {needs.value}" if needs.value else "") for needs, names in groups.items()]
    return "; ".join(parts)


def head_table() -> Iterator[str]:
    yield from ("| map | what it is |", "|---|---|")
    for entry in heads.values():
        yield f"| `{entry.example}` | {_cell(entry.summary)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "operators against batch": operators_against_batch,
    "operators alone": operators_alone,
    "views": views,
    "normalisers": normalisers,
    "options": options,
    "heads": head_table,
}


def reference(text: str) -> str:
    """The reference with its tables as the entries have them."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: tools/write_tables.py -->\n", "<!-- end -->\n"
        before, _, rest = text.partition(begin)
        _, _, behind = rest.partition(end)
        text = before + begin + "\n" + "\n".join(table()) + "\n\n" + end + behind
    return text


def editor(text: str) -> str:
    """A TextMate grammar with the words that the entries have."""
    named = dict.fromkeys(option.name for entry in operators.values() for option in entry.options)
    for rule, words in (
        ("operator", operators),
        ("function", functions),
        ("option", [*MAPS, *named]),
        ("head", heads),
    ):
        text = _with_words(text, rule, words)
    return text


def _with_words(text: str, rule: str, words: Iterable[str]) -> str:
    """A grammar whose rule lists these words, if it has that rule."""
    pattern = rf'("{rule}": \{{\s*"name": "[^"]*",\s*"match": "\\\\b\(\?:)[\w|]+(\))'
    return re.sub(pattern, lambda match: match[1] + "|".join(words) + match[2], text)


def main(check: bool) -> int:
    files = {REFERENCE: reference} | dict.fromkeys(sorted(EDITORS.glob("*.tmLanguage.json")), editor)
    stale = 0
    for path, write in files.items():
        old = path.read_text(encoding="utf-8")
        new = write(old)
        if new != old:
            stale += 1
            print(f"{path.relative_to(ROOT)} is out of date" if check else f"wrote {path.relative_to(ROOT)}")
            if not check:
                path.write_text(new, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
