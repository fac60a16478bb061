"""What must survive from a page to its text, for each extractor: known answers."""

from __future__ import annotations

import re

import pytest
from tests.corpus.web import EXTRACTORS, WORDS, page, texts

MATH = "<math><semantics><mrow><mi>a</mi><mo>&lt;</mo><mi>b</mi></mrow>{}</semantics></math>"
NOTE = '<annotation encoding="application/x-tex">a &lt; b_1</annotation>'
CODE = "def f(x):\n    if x:\n\treturn  x\n    return [y for y in x]"
MARKED = (
    '<span class="k">def</span> f(x):\n    <span>if</span> x:\n\t<b>return</b>  x\n    return [y <b>for</b> y in x]'
)
PAGES = {
    "annotation": page(f"<p>It holds that {MATH.format(NOTE)} for all of them, as was shown.</p>"),
    "alttext": page('<p>It holds that <math alttext="a &lt; b_1"><mi>a</mi></math> for all, as was shown.</p>'),
    "display": page(f"<p>It holds:</p>{MATH.format(NOTE).replace('<math>', '<math display=block>')}"),
    "script": page('<p>It holds that <script type="math/tex">a < b_1</script> for all of them, as was shown.</p>'),
    "script display": page('<p>It holds that <script type="math/tex; mode=display">a < b_1</script> for all.</p>'),
    "mathjax 2": page(
        '<p>It holds that <span class="MathJax_Preview">a b1</span><span class="MathJax">drawn</span>'
        '<script type="math/tex">a < b_1</script> for all of them, as was shown.</p>'
    ),
    "katex": page(
        f'<p>It holds that <span class="katex"><span class="katex-mathml">{MATH.format(NOTE)}</span>'
        '<span class="katex-html" aria-hidden="true">drawn</span></span> for all of them, as was shown.</p>'
    ),
    "mediawiki": page(
        '<p>It holds that <span class="mwe-math-element"><span style="display: none;"><math '
        'alttext="{\\displaystyle a &lt; b_1}"><mi>a</mi></math></span><img alt="{\\displaystyle a &lt; b_1}">'
        "</span> for all of them, as was shown.</p>"
    ),
    "picture": page('<p>It holds that <img class="latex" alt="a &lt; b_1" src="x.png"> for all, as was shown.</p>'),
    "in the text": page("<p>It holds that $a &lt; b_1$ and \\(c\\) for all of them, as was shown.</p>"),
    "code": page(f"<pre>{CODE}</pre>"),
    "marked code": page(f'<div class="highlight"><pre><code>{MARKED}</code></pre></div>'),
    "broken code": page("<pre>" + CODE.replace("\n", "<br>") + "</pre>"),
    "table": page("<table><tr><th>Name</th><th>Length</th></tr><tr><td>Rule</td><td>30 cm</td></tr></table>"),
    "list": page("<ul><li>a rule of brass</li><li>a slide of steel</li></ul>"),
    "nested list": page("<ul><li>a rule of brass<ul><li>engraved</li></ul></li><li>a slide of steel</li></ul>"),
    "numbered list": page("<ol><li>close the jaws</li><li>read the main scale</li></ol>"),
}


@pytest.fixture(scope="module", params=EXTRACTORS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return texts(tmp_path_factory.mktemp("pages"), PAGES, **EXTRACTORS[request.param])


def lines(text: str) -> list[str]:
    return text.split("\n")


@pytest.mark.parametrize("name", PAGES)
def test_the_article_is_there_and_what_is_around_it_is_not(found: dict[str, str], name: str) -> None:
    assert found[name].count(WORDS.strip()) == 4
    for outside in ("Home", "Our shop", "imprint"):
        assert outside not in found[name]


@pytest.mark.parametrize("name", ["annotation", "alttext", "script", "mathjax 2", "katex", "mediawiki", "picture"])
def test_a_formula_is_its_tex(found: dict[str, str], name: str) -> None:
    assert re.search(r"It holds that +\$a < b_1\$ +for all", found[name])
    assert "drawn" not in found[name]
    assert found[name].count("b_1") == 1


@pytest.mark.parametrize("name", ["display", "script display"])
def test_a_formula_on_display_has_two_dollars(found: dict[str, str], name: str) -> None:
    assert found[name].count("$$a < b_1$$") == 1


def test_tex_in_the_text_stays(found: dict[str, str]) -> None:
    assert "It holds that $a < b_1$ and \\(c\\) for all of them" in found["in the text"]


@pytest.mark.parametrize("name", ["code", "marked code", "broken code"])
def test_code_keeps_lines_and_indentation(found: dict[str, str], name: str) -> None:
    assert f"\n{CODE}\n" in found[name]


def test_cells_stand_apart_and_rows_on_lines(found: dict[str, str]) -> None:
    told = [re.findall(r"[^\t|]+", line) for line in lines(found["table"])]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in told]
    assert cells.index(["Name", "Length"]) < cells.index(["Rule", "30 cm"])


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("list", ["a rule of brass", "a slide of steel"]),
        ("nested list", ["a rule of brass", "engraved", "a slide of steel"]),
        ("numbered list", ["close the jaws", "read the main scale"]),
    ],
)
def test_items_stand_on_lines(found: dict[str, str], name: str, items: list[str]) -> None:
    told = [re.sub(r"^\W*(\d+\.)?\W*", "", line) for line in lines(found[name])]
    assert [line for line in told if line in items] == items
