"""What extractors lose is put into the page before them: formulas as TeX, line breaks of code, lists near the root.

A tree is one of `resiliparse.parse.html`. Formulas become text, `$...$` in a line and `$$...$$` on display, from the
TeX that the page carries beside its picture of it: the annotation or `alttext` of MathML (also inside KaTeX, MathJax 3
and MediaWiki), `<script type="math/tex">` of MathJax 2, the alternative text of a picture of class `latex` or of
MediaWiki. TeX that stands in the text already stays as it is. MathML without TeX keeps the text of its leaves.
"""

from __future__ import annotations

from typing import Any

# The outermost first, so that what lies inside one that was replaced is not seen again.
_WHOLE = ".katex-display, .katex, .mwe-math-element, mjx-container"
_SCRIPT = 'script[type^="math/tex"]'
_RENDERED = (
    ".MathJax_Preview, .MathJax, .MathJax_Display, .MathJax_SVG, .MathJax_SVG_Display, .MathJax_CHTML, .MJXc-display"
)
_PICTURES = "img.latex, img.mwe-math-fallback-image-inline, img.mwe-math-fallback-image-display"
_TEX = 'annotation[encoding="application/x-tex"]'
_TELLS = ("math", "mjx-", "latex", "katex")  # a page with none of these words has no formula of these kinds
# resiliparse 2.0 takes a list within four elements of the body for navigation (found by trying); six are enough.
_SHALLOW = "body > ul, body > * > ul, body > * > * > ul, body > * > * > * > ul, body > * > * > * > * > ul"
_WRAPS = 6


def every(node: Any, selector: str) -> list[Any]:
    """The elements below a node that a selector finds. (To iterate over what resiliparse returns is quadratic.)"""
    return node.query_selector_all(selector).values()


def keep_formulas(tree: Any, html: str) -> bool:
    """Put TeX in the place of formulas. html: the source of the tree. Returns whether the tree was changed."""
    if not any(tell in html for tell in _TELLS):
        return False
    changed = bool(every(tree.document, _SCRIPT))
    if changed:
        for element in every(tree.document, _RENDERED):
            element.remove()
    for selector in (_WHOLE, "math", _SCRIPT, _PICTURES):
        for element in every(tree.document, selector):
            tex = _tex(element)
            if tex and element.parent is not None:
                mark = "$$" if _on_display(element) else "$"
                element.replace_with(tree.create_text_node(f" {mark}{tex}{mark} "))
                changed = True
    return changed


def keep_lines(tree: Any) -> bool:
    """Make each `<br>` in a `<pre>` a line break of its text. Returns whether the tree was changed."""
    breaks = every(tree.document, "pre br")
    for element in breaks:
        element.replace_with(tree.create_text_node("\n"))
    return bool(breaks)


def keep_lists(tree: Any) -> None:
    """Sink lists that lie near the root and do not mostly consist of links, so that resiliparse keeps them."""
    for element in every(tree.document, _SHALLOW):
        if element.closest("nav, header, footer, aside") is not None:
            continue
        size = len(element.text_content)
        linked = sum(len(link.text_content) for link in every(element, "a"))
        if 2 * linked > size:
            continue
        outer = tree.create_element("div")
        element.replace_with(outer)
        for _ in range(_WRAPS - 1):
            inner = tree.create_element("div")
            outer.append_child(inner)
            outer = inner
        outer.append_child(element)


def _tex(element: Any) -> str:
    """The TeX of a formula on one line; "" if the page does not carry it."""
    tag = element.tag
    if tag == "script":
        tex = element.text_content
    elif tag == "img":
        tex = element.getattr("alt") or ""
    else:
        annotation = element.query_selector(_TEX)
        math = element if tag == "math" else element.query_selector("math")
        tex = annotation.text_content if annotation is not None else ""
        tex = tex or (math.getattr("alttext") or "" if math is not None else "")
    tex = " ".join(tex.split())
    if tex.startswith("{\\displaystyle ") and tex.endswith("}"):  # as MediaWiki wraps each
        tex = tex[len("{\\displaystyle ") : -1].strip()
    return tex


def _on_display(element: Any) -> bool:
    if element.tag == "script":
        return "mode=display" in (element.getattr("type") or "")
    if element.tag == "img":
        return "display" in (element.getattr("class") or "")
    if "katex-display" in (element.getattr("class") or "") or element.getattr("display") in ("block", "true"):
        return True
    return element.tag != "math" and element.query_selector('math[display="block"]') is not None
