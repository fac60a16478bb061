"""What the pages say is done here: shell blocks run, Python blocks run, links lead somewhere.

A page's blocks run in order in one folder that holds what they start from: `data/docs.jsonl`, a small corpus,
`data/pages.warc.gz`, twenty pages, and `data/may.jsonl` and `data/june.jsonl`, in which a speech is more than once.
Lines that set up an environment (`make`, `pip`, `git` ...) are not run; `make` must name a target that exists. A block
that is not to be run says so with `text` as its language.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.corpus.warcs import packed, response

from vernier.core.recipe import load

PROJECT = Path(__file__).parent.parent.parent
PAGES = ("README.md", "docs/tour.md", "docs/extend.md", "docs/adapters.md", "docs/web.md", "docs/dedup.md")
BLOCK = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SET_UP = ("make ", "pip ", "git ", "cd ", ". ")
STORY = "The harbour was quiet that morning, and the old captain told us of the ships that he had seen. "
SPEECH = (  # A. Lincoln at Gettysburg, 1863: the Bliss copy, in which the Hay copy has other words here and there
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, "
    "and dedicated to the proposition that all men are created equal. Now we are engaged in a great civil war, testing "
    "whether that nation, or any nation so conceived and so dedicated, can long endure. We are met on a great "
    "battle-field of that war. We have come to dedicate a portion of that field, as a final resting place for those "
    "who here gave their lives that that nation might live. It is altogether fitting and proper that we should do this."
)
OTHERS = {"forth on": "forth, upon", "portion of that field": "portion of it", "met on": "met here on"}
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")


def blocks(page: str) -> list[tuple[str, str | None, str]]:
    """Language, file name (if the block is a file) and text of every fenced block of a page."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    return [(lang, name, body) for lang, name, body in BLOCK.findall(text)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "of", "all", "that", "it", "saw", "so", "fine"]
    lines = [
        json.dumps({"id": i, "text": " ".join(words[i % 7 : 3 + i % 11] * (1 + i % 5)), "domain": "prose"})
        for i in range(60)
    ]
    (tmp_path / "data" / "docs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    spoken = [SPEECH, *(SPEECH.replace(*other) for other in OTHERS.items()), STORY * 2]
    for name, some in (("may", (0, 1, 4)), ("june", (0, 2, 3, 4))):
        told = [json.dumps({"id": f"{name}-{i}", "text": spoken[i], "domain": "prose"}) for i in some]
        (tmp_path / "data" / f"{name}.jsonl").write_text("\n".join(told) + "\n", encoding="utf-8")
    pages = [response(i, f"<html><body><p>{STORY * (1 + i % 3)}</p></body></html>".encode()) for i in range(20)]
    (tmp_path / "data" / "pages.warc.gz").write_bytes(packed(pages))
    return tmp_path


def run(command: str, folder: Path) -> None:
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env |= {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_page_does_what_it_says(page: str, folder: Path) -> None:
    targets = re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    for language, name, body in blocks(page):
        if name is not None and name != "":
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, encoding="utf-8")
        elif language == "python":
            run(f"{sys.executable} - <<'END'\n{body}END", folder)
        elif language == "bash":
            lines = body.splitlines()
            for line in lines:
                if line.startswith("make "):
                    assert line.split()[1] in targets
            script = "\n".join(line for line in lines if not line.startswith(SET_UP))
            if script.strip():
                run(f"set -ex\n{script}\n", folder)


def test_pages_have_what_is_run() -> None:
    assert all(blocks(page) for page in PAGES)
    assert shutil.which("vernier", path=str(Path(sys.executable).parent)), "the command is not installed"


@pytest.mark.parametrize(
    "page", [*sorted(str(p.relative_to(PROJECT)) for p in PROJECT.glob("docs/**/*.md")), "README.md", "CONTRIBUTING.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    path = PROJECT / page
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{page}: {target}"


def test_every_decision_is_in_the_index() -> None:
    folder = PROJECT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert {p.name for p in folder.glob("[0-9]*.md")} == set(LINK.findall(index))


def test_what_the_tour_shows_of_the_demo_is_in_its_recipe() -> None:
    named = re.findall(
        r"^\$ vernier (?:show|export) runs/demo ([^\s-]\S*)", (PROJECT / "docs/tour.md").read_text(), re.M
    )
    assert named
    assert set(named) <= {node.id for node in load(PROJECT / "recipes/demo.yaml").nodes()}
