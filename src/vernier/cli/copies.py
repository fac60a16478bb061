"""How duplicates look in the terminal: the account of a search, and what it says of one document."""

from __future__ import annotations

from pathlib import Path

from vernier.cli.rules import bars
from vernier.cli.words import line, table
from vernier.pipeline.copies import Copies, Other
from vernier.pipeline.differences import Difference, differences
from vernier.report.duplicates import Found, by_domain

PIECE = 70  # characters shown of what one text has and the other has not
WORDS = 60  # of the text that is kept of a cluster


def account(one: Found, folder: Path) -> str:
    """What a search found, as on the page."""
    width = max(len(name) for name, _ in one.rows)
    parts = ["\n".join(f"{name:<{width}}  {value}" for name, value in one.rows)]
    if len(one.counts) and one.told["duplicates"]:
        parts.append(f"How alike duplicates are: {one.edges[0]:.4g} {''.join(bars(one.counts))} 1")
    if len(one.domains) > 1:
        domains = [(line(str(name)), *numbers) for name, *numbers in by_domain(one)]
        parts.append(table(("domain", "documents", "duplicates", "share"), domains))
    if one.largest:
        rows = [(c.doc_id, c.name and line(c.name), c.duplicates, line(c.words)[:WORDS]) for c in one.largest]
        parts.append("The largest clusters\n" + table(("kept document", "id", "duplicates", "text"), rows))
        parts.append(f"what it has, and where copies differ: vernier why {folder} {one.largest[0].doc_id}")
    return "\n\n".join(parts)


def told(one: Copies) -> str:
    """What a search says of one document: what it is a copy of and where the two differ first, or its own copies."""
    if one.kept is None:
        first = f", the first {len(one.first)}" if one.number > len(one.first) else ""
        lines = [f"kept; {one.number:,} of its duplicates dropped{first} (likeness: {one.by}):"]
        return "\n    ".join([*lines, *(f"{other.likeness:.4f} {_named(other)}" for other in one.first)])
    lines = [f"a copy of {_named(one.kept)}, which is kept", f"likeness {one.kept.likeness:.4f}: {one.by}"]
    if one.texts[0] == one.texts[1]:
        return "\n    ".join([*lines, "the two texts are equal"])
    found = list(differences(*one.texts))
    where = "where they differ first, [-kept-] and {+this one+}:"
    lines.append(where if found else "they differ in white space, and in no word that was looked at")
    return "\n    ".join([*lines, *(f"  {_shown(difference)}" for difference in found)])


def _named(other: Other) -> str:
    values = other.values
    name = "" if values["id"] is None else f" {line(values['id'])}"
    return f"{values['doc_id'].hex()}{name} ({other.node}, {line(values['source'])} at {values['offset']:,})"


def _shown(one: Difference) -> str:
    removed = f"[-{_piece(one.one)}-]" if one.one else ""
    added = f"{{+{_piece(one.other)}+}}" if one.other else ""
    return " ".join(part for part in ("...", line(one.before), removed + added, line(one.after), "...") if part)


def _piece(text: str) -> str:
    short = line(text[: 2 * PIECE])
    return short if len(text) <= PIECE else f"{short[:PIECE]}... ({len(text):,} characters)"
