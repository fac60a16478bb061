"""The page that holds the sections: one file, nothing loaded, the same bytes for the same run.

A Content-Security-Policy in the page forbids all that it does not need: no address can be called, and no script runs
but the one that is named by its hash, whatever stands in a document.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from vernier.report.parts import Section

TEMPLATES = Path(__file__).parent / "templates"
# name -> by day, by night. Series differ in lightness as well as in hue, so that they stay apart for the colour-blind:
# after Okabe and Ito 2008 (Color Universal Design), darkened for a light ground and lightened for a dark one.
PALETTE = {
    "ink": ("#1c2128", "#e6e4df"),
    "muted": ("#5a636e", "#a3aab3"),
    "grid": ("#d9d6ce", "#3a4049"),
    "paper": ("#fcfbf8", "#15181c"),
    "panel": ("#f3f1eb", "#1e2228"),
    "accent": ("#0b5c94", "#7cbcec"),
    "alarm": ("#a3290f", "#ff9d80"),
    "more": ("#0b6ba8", "#6cb6ee"),
    "less": ("#c2500a", "#f19a5b"),
    "c0": ("#0b6ba8", "#5aaee8"),
    "c1": ("#c2500a", "#f08c4a"),
    "c2": ("#00795f", "#3fc7a3"),
    "c3": ("#a63d86", "#e58fc8"),
    "c4": ("#8a6a00", "#e6c54e"),
    "c5": ("#3f3f9e", "#a7a5f5"),
    "c6": ("#6f2f12", "#d8a488"),
    "c7": ("#68707a", "#a9b1ba"),
}


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole file. title: the name of the run."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (TEMPLATES / "theme.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return templates.get_template("page.html.j2").render(
        title=title, sections=sections, palette=PALETTE, script=script, digest=digest
    )
