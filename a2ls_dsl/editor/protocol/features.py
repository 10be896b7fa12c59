"""What the server answers: a function for each request, in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from a2ls_dsl.diagnostics import A2lError, LanguageError, Source
from a2ls_dsl.editor import complete, grammars, hover, references, symbols
from a2ls_dsl.editor.hints import hints
from a2ls_dsl.editor.protocol.document import Document
from a2ls_dsl.editor.words import code_page
from a2ls_dsl.lang.grammar.layout import format_grammar
from a2ls_dsl.lang.syntax.layout import format_file

_KINDS = {
    complete.Sort.OPERATOR: lsp.CompletionItemKind.Operator,
    complete.Sort.FUNCTION: lsp.CompletionItemKind.Function,
    complete.Sort.STREAM: lsp.CompletionItemKind.Variable,
    complete.Sort.LOSS: lsp.CompletionItemKind.Class,
    complete.Sort.WORD: lsp.CompletionItemKind.Keyword,
    complete.Sort.OPTION: lsp.CompletionItemKind.Property,
    complete.Sort.VALUE: lsp.CompletionItemKind.Value,
    complete.Sort.FILE: lsp.CompletionItemKind.File,
}

Answer: TypeAlias = Callable[[Document, Any], Any]


def hover_page(document: Document, params: lsp.HoverParams) -> lsp.Hover | None:
    """What the word means; where something is wrong, also the rule behind it."""
    file, offset = document.file, document.offset(params.position)
    page = (
        grammars.hover(file.text, offset) if file.grammar else hover.hover(file.text, offset, file.analysis)
    )
    codes = [
        finding.diagnostic.code
        for finding in document.shown
        if finding.diagnostic.span.start <= offset <= finding.diagnostic.span.end
    ]
    if page is None and not codes:
        return None
    said, start, end = page or ("", offset, offset)
    blocks = [*([said] if said else []), *map(code_page, dict.fromkeys(codes))]
    text = lsp.MarkupContent(lsp.MarkupKind.Markdown, "\n\n---\n\n".join(blocks))
    return lsp.Hover(text, document.range(start, end) if page else None)


def completion(document: Document, params: lsp.CompletionParams, snippets: bool) -> list[lsp.CompletionItem]:
    """What may be written; `snippets`: whether the editor fills them in."""
    file, offset = document.file, document.offset(params.position)
    if file.grammar:
        proposals = grammars.complete(file.text, offset)
    else:
        proposals = complete.complete(file.text, offset, file.path, file.analysis)
    return [_item(document, proposal, number, offset, snippets) for number, proposal in enumerate(proposals)]


def quick_fixes(document: Document, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """The fixes that are edits, of what is wrong in these lines."""
    first, last = document.offset(params.range.start), document.offset(params.range.end)
    return [
        lsp.CodeAction(
            diagnostic.fix,
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=[document.diagnostic(finding)],
            is_preferred=True,
            edit=_edit(document, diagnostic.edit.span.start, diagnostic.edit.span.end, diagnostic.edit.text),
        )
        for finding in document.shown
        if (diagnostic := finding.diagnostic).span.start <= last and first <= diagnostic.span.end
        if diagnostic.edit and diagnostic.edit.span.source.text == document.file.text
    ]


def formatting(document: Document, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
    """The layout of `a2l fmt`."""
    text = document.file.text
    layout = format_grammar if document.file.grammar else format_file
    try:
        formatted = layout(Source(document.uri, text))
    except LanguageError:
        return None  # its diagnostics say why
    return [] if formatted == text else [lsp.TextEdit(document.range(0, len(text)), formatted)]


def outline(document: Document, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    """The losses or rules of a file."""
    return [
        lsp.DocumentSymbol(
            symbol.name,
            lsp.SymbolKind.Function,
            document.range(*whole),
            document.range(*named),
            detail=symbol.kind,
        )
        for symbol, named, whole in symbols.outline(document.file.text, document.file.grammar)
    ]


def folding(document: Document, params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
    """Definitions and comments of several lines."""
    kinds = {True: lsp.FoldingRangeKind.Comment, False: lsp.FoldingRangeKind.Region}
    folds = symbols.folds(document.file.text, document.file.grammar)
    ranges = ((document.range(*piece), comment) for piece, comment in folds)
    return [
        lsp.FoldingRange(lines.start.line, lines.end.line, kind=kinds[comment]) for lines, comment in ranges
    ]


def definition(document: Document, params: lsp.DefinitionParams) -> lsp.Location | None:
    """Where a name or an import leads."""
    target = references.definition(document.file, document.offset(params.position))
    return document.location(target) if target else None


def find_references(document: Document, params: lsp.ReferenceParams) -> list[lsp.Location]:
    """Every place of a name, its definition among them if that is asked for."""
    offset = document.offset(params.position)
    places = document.locations(references.places(document.file, offset))
    target = references.definition(document.file, offset)
    named = document.location(target) if target and not params.context.include_declaration else None
    every = [lsp.Location(uri, place) for uri, ranges in places.items() for place in ranges]
    return [location for location in every if location != named]


def highlights(document: Document, params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
    """Every place of a name in this file."""
    symbol = document.file.symbol(document.offset(params.position))
    return [lsp.DocumentHighlight(document.range(*place)) for place in (symbol.places if symbol else ())]


def prepare_rename(document: Document, params: lsp.PrepareRenameParams) -> lsp.Range | None:
    """The name under the cursor, if it can have another."""
    offset = document.offset(params.position)
    symbol = references.renamed(document.file, offset)
    touching = (place for place in (symbol.places if symbol else ()) if place[0] <= offset <= place[1])
    return next((document.range(*place) for place in touching), None)


def rename(document: Document, params: lsp.RenameParams) -> lsp.WorkspaceEdit:
    """Another name in all files that share it; an error where it has a meaning already."""
    try:
        places = references.rename(document.file, document.offset(params.position), params.new_name)
    except A2lError as error:
        code = lsp.LSPErrorCodes.RequestFailed
        raise JsonRpcException(str(error), code) from None
    every = document.locations(places).items()
    changes = {uri: [lsp.TextEdit(place, params.new_name) for place in ranges] for uri, ranges in every}
    return lsp.WorkspaceEdit(changes=changes)


def inlay_hints(document: Document, params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
    """Horizons and widths, in the lines that are shown."""
    if document.file.grammar:
        return []
    first, last = document.offset(params.range.start), document.offset(params.range.end)
    return [
        lsp.InlayHint(
            lsp.Position(*document.text.position(hint.at)), hint.text, tooltip=hint.meaning, padding_left=True
        )
        for hint in hints(document.file.analysis)
        if first <= hint.at <= last
    ]


def features(snippets: Callable[[], bool]) -> dict[str, tuple[Answer, Any]]:
    """Every request that is answered, with the options that the editor is told."""

    def complete_here(document: Document, params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
        return completion(document, params, snippets())

    triggers = lsp.CompletionOptions(trigger_characters=["{", "(", "[", ",", '"', "="])
    quick = lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])
    return {
        lsp.TEXT_DOCUMENT_HOVER: (hover_page, None),
        lsp.TEXT_DOCUMENT_COMPLETION: (complete_here, triggers),
        lsp.TEXT_DOCUMENT_CODE_ACTION: (quick_fixes, quick),
        lsp.TEXT_DOCUMENT_FORMATTING: (formatting, None),
        lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL: (outline, None),
        lsp.TEXT_DOCUMENT_FOLDING_RANGE: (folding, None),
        lsp.TEXT_DOCUMENT_DEFINITION: (definition, None),
        lsp.TEXT_DOCUMENT_REFERENCES: (find_references, None),
        lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT: (highlights, None),
        lsp.TEXT_DOCUMENT_PREPARE_RENAME: (prepare_rename, None),
        lsp.TEXT_DOCUMENT_RENAME: (rename, lsp.RenameOptions(prepare_provider=True)),
        lsp.TEXT_DOCUMENT_INLAY_HINT: (inlay_hints, None),
    }


def _edit(document: Document, start: int, end: int, text: str) -> lsp.WorkspaceEdit:
    return lsp.WorkspaceEdit(changes={document.uri: [lsp.TextEdit(document.range(start, end), text)]})


def _item(
    document: Document, proposal: complete.Proposal, number: int, offset: int, snippets: bool
) -> lsp.CompletionItem:
    snippet = proposal.snippet if snippets else ""
    text = snippet or proposal.text or proposal.label
    docs = proposal.documentation
    return lsp.CompletionItem(
        proposal.label,
        kind=_KINDS[proposal.sort],
        detail=proposal.detail or None,
        documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, docs) if docs else None,
        sort_text=f"{number:04}",
        insert_text_format=lsp.InsertTextFormat.Snippet if snippet else lsp.InsertTextFormat.PlainText,
        text_edit=lsp.TextEdit(document.range(proposal.start, offset), text),
    )
