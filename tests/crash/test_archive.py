"""SIGKILL in the middle of one web archive: what is committed stays, and no page comes twice or never."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.corpus.warcs import packed, record, response
from tests.crash.world import Fault, Place, Starter

NUM_PAGES = 4
RECIPE = """\
vernier: 1
name: archive
store: {store}
stages:
  clean: {{do: corpus.read_warc, with: {{paths: ["{data}"], shard: 1000}}, on: {{workers: 1}}}}
"""
FAULTS = ["commit.written", "commit.renamed", "commit.done", "record.written"]


def place(folder: Path, data: Path) -> Place:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE.format(store=folder / "store", data=data))
    return Place(folder, folder / "recipe.yaml", folder / "store", folder / "run")


def ids(made: Place) -> list[str]:
    tables = [pq.read_table(path, columns=["id"]) for path in sorted((made.out / "clean").glob("*.parquet"))]
    return [name for table in tables for name in table.column("id").to_pylist()]


@pytest.mark.slow
def test_an_archive_goes_on_behind_its_last_shard(tmp_path: Path, starter: Starter) -> None:
    pages = [response(n, f"<p>{n} {'words of a long page ' * 110_000}".encode()) for n in range(NUM_PAGES)]
    request = record(b"GET / HTTP/1.1\r\n\r\n", kind="request")
    data = tmp_path / "x.warc.gz"
    data.write_bytes(packed([one for page in pages for one in (request, page)]))
    whole = place(tmp_path / "whole", data)
    driver = starter.start(whole, whole.argv())
    assert driver.wait() == 0, driver.words()
    assert ids(whole) == [f"urn:x:{n}" for n in range(NUM_PAGES)]
    killed = place(tmp_path / "killed", data)
    for point in FAULTS:
        fault = Fault(point, "clean/*", "group")
        committed = killed.commits()
        driver = starter.start(killed, killed.argv(), fault.env(killed))
        assert driver.wait() != 0, f"{point} was not reached"
        assert {name: killed.commits()[name] for name in committed} == committed, "what was committed was touched"
    assert 0 < len(list(killed.store.glob("units/*/*/done.json"))) < NUM_PAGES
    driver = starter.start(killed, killed.argv())
    assert driver.wait() == 0, driver.words()
    assert Counter(ids(killed)) == Counter(ids(whole))
    assert killed.tree() == whole.tree()
