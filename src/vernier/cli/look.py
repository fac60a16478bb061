"""`ls`, `show`, `diff`, `why`: what there is, what a run made, how two runs differ, one document's story."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vernier.cli.copies import account, told
from vernier.cli.rules import drawn
from vernier.cli.verdict import conclusions, few, left_out, verdict
from vernier.cli.words import CONTROL, count, line, outline, table
from vernier.core.written import COMPARISON
from vernier.report.duplicates import found
from vernier.report.rules import spreads
from vernier.report.words import size

if TYPE_CHECKING:
    from vernier.core.run import Run
    from vernier.pipeline.why import Held

REASONS = 4  # by which rows were dropped, named in a line
ITEMS, QUOTED = 3, 200  # of a benchmark that a document holds, told in a line; characters of each
RunFolder = Annotated[Path, typer.Argument(help="A run folder (runs/NAME).", metavar="RUN")]


def ls(name: Annotated[str | None, typer.Argument(help="One plugin, to see its settings.")] = None) -> None:
    """List the plugins that a recipe can use, or tell all about one."""
    from vernier.core import plugin

    if name is None:
        found = [(n, plugin.find(n)) for n in plugin.names()]
        print(table(("plugin", "makes", "what it does"), [(n, c.makes, _first_line(c)) for n, c in found]))
        return
    cls = plugin.find(name)
    print(f"{name} (version {cls.version}) makes {cls.makes}\n\n{(cls.__doc__ or '').strip()}\n")
    if cls.takes:
        print(table(("input", "kind"), [(n, _kind(k)) for n, k in cls.takes.items()]) + "\n")
    rows = [(f.name, str(f.type), _default(f)) for f in dataclasses.fields(cls)]
    print(table(("setting", "type", "default"), rows))


def show(
    run: RunFolder,
    node: Annotated[str | None, typer.Argument(help="One stage of the run.")] = None,
    rows: Annotated[int, typer.Option(help="How many rows to print.")] = 3,
    bad: Annotated[
        bool, typer.Option("--bad", help="Print quarantined records instead; of an extraction, pages that failed.")
    ] = False,
    kept: Annotated[bool, typer.Option("--kept", help="Of a selection: only documents that it keeps.")] = False,
    reason: Annotated[
        str | None, typer.Option(help="Of a selection: only documents dropped for this reason; of --bad: only these.")
    ] = None,
) -> None:
    """Show what a run made: the ledger of all stages, or one stage with its first rows."""
    from vernier.core.errors import RecipeError
    from vernier.core.run import Run

    opened = Run.open(run)
    if node is None:
        print(summary(opened))
        return
    node = node_named(opened, node)
    if (kept or (reason is not None and not bad)) and opened.nodes[node]["kind"] != "selection":
        raise RecipeError(
            f"{node!r} keeps and drops nothing", expected="a selection, for --kept and --reason; or --reason with --bad"
        )
    artifact, wiring = opened.artifact(node), opened.nodes[node]["inputs"]
    print(
        table(
            ("", node),
            [("kind", artifact.kind), ("key", artifact.key), ("folder", str(opened.folder / node))],
        )
    )
    if artifact.counts:
        print("\n" + table(("count", "rows"), artifact.counts.items()))
    if artifact.kind == "corpus" and "units" in artifact.stage:
        print(_records(artifact.counts))
    copies = found(opened, node)
    facts = {k: v for k, v in artifact.facts.items() if copies is None or k != "largest"}  # which has its own table
    for title, values in (("made by", artifact.stage), ("made from", wiring), ("facts", facts)):
        told = {k: v for k, v in values.items() if title != "made by" or k not in ("units", "inputs")}
        if told:
            print(f"\n{title}\n{outline(told)}")
    for spread in spreads(opened, node):
        print(f"\n{drawn(spread)}")
    if copies is not None:
        print(f"\n{account(copies, opened.folder)}")
    for number, row in enumerate(_rows(opened, node, rows, bad=bad, kept=kept, reason=reason)):
        told_of = json.dumps({k: _short(v) for k, v in row.items()}, ensure_ascii=False)
        print("" if number else "\n", CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", told_of), sep="")


def nodes_named(run: Run, name: str) -> list[str]:
    """The nodes of a run that a name means: a node itself, else those of a stage, an arm of it, a seed of it."""
    from vernier.core.nodes import means

    return (
        [name] if name in run.nodes else [n for n, r in run.nodes.items() if means(name, r["of"], r["arms"], r["seed"])]
    )


def node_named(run: Run, name: str) -> str:
    """The one node of a run that a name means. Raises RecipeError if it is several, ResumeError if it is none."""
    from vernier.core.errors import RecipeError, ResumeError, nearest

    found = nodes_named(run, name)
    if len(found) > 1:
        raise RecipeError(f"{name!r} means several stages of the run", found=", ".join(found), do="name one of them")
    if not found:
        raise ResumeError(f"the run {run.name!r} has nothing named {name!r}", do=nearest(name, run.nodes))
    return found[0]


def diff(run: RunFolder, other: Annotated[Path, typer.Argument(help="Another run folder.")]) -> None:
    """Say why two runs differ: files, settings, versions, wiring; and which rows their selections share."""
    from vernier.core.run import Run

    a, b = Run.open(run), Run.open(other)
    lines, follow = list[tuple[str, str, str, str]](), list[str]()
    for name in dict.fromkeys([*a.nodes, *b.nodes]):
        left, right = a.nodes.get(name), b.nodes.get(name)
        if left is None or right is None:
            lines.append((name, "only in one", "yes" if left else "no", "yes" if right else "no"))
            continue
        if left["content"] == right["content"]:
            continue
        causes = _causes(left, right)
        lines += [(name, *cause) for cause in causes]
        if not causes:
            follow.append(name)
        if left["kind"] == right["kind"] == "selection":
            lines.append((name, "rows kept", *_kept_overlap(a, b, name)))
    for name in sorted({*a.data["environment"], *b.data["environment"]}):
        old, new = a.data["environment"].get(name), b.data["environment"].get(name)
        if old != new:
            lines.append(("(environment)", name, str(old), str(new)))
    parts = [table(("stage", "what", str(run), str(other)), lines)] if lines else []
    parts += [f"differ only because of what they read: {', '.join(follow)}"] if follow else []
    print("\n\n".join(parts) or "the two runs made the same")


def why(
    run: RunFolder,
    document: Annotated[str, typer.Argument(help="A doc_id, an id of your own, or source:offset.")],
) -> None:
    """Tell one document's whole story: where it was read, what it scored, where it was kept or dropped and why."""
    from vernier.core.run import Run
    from vernier.pipeline.why import find, story

    opened = Run.open(run)
    places, rejected = find(opened, document)
    for record in rejected:
        values = record.values
        print(f"quarantined by {', '.join(record.nodes)} (shard {record.shard})")
        print(f"  read from {values['source']} at {values['offset']:,}")
        print(f"  {values['reason']}: {values['detail']}")
    for place in places:
        values = place.values
        print(f"doc_id {values['doc_id'].hex()}  ({', '.join(place.nodes)}, shard {place.shard}, row {place.row})")
        print(f"  read from {values['source']} at {values['offset']:,}: {size(values['num_bytes'])}")
        for name in ("id", "domain", "license"):
            if values.get(name) is not None:
                print(f"  {name}: {values[name]}")
        head = line(place.text[:200])
        print(f"  text: {head}{'...' if len(place.text) > 200 else ''}")
        for chapter in story(opened, place):
            said = told(chapter.values["copies"]) if "copies" in chapter.values else _tell(chapter.kind, chapter.values)
            print(f"  {chapter.node}: {said}")


def summary(run: Run) -> str:
    """The ledger of a run, and its results, as text."""
    rows = [
        (
            name,
            r["kind"],
            count(r["rows"]) if r["rows"] else "-",
            _ledger(r["kind"], r["counts"], "units" in r["stage"]),
        )
        for name, r in run.nodes.items()
    ]
    parts = [table(("stage", "makes", "rows", "ledger"), rows)]
    measured = _results(run)
    if measured:
        parts.append(measured)
    parts += _tasks(run)
    found = verdict(run)
    if found:
        parts += [found, *conclusions(run)]
    made, whole = sum(not r["earlier"] for name, r in run.nodes.items() if name != COMPARISON), run.data.get("of", 0)
    if made < whole:
        parts.append(f"not finished: {made} of {whole} stages are made; run the recipe again to go on")
    parts.append(f"run folder: {run.folder}")
    return "\n\n".join(parts)


def _results(run: Run) -> str:
    """Bits per byte of each arm and seed, held-out documents by domain."""
    losses: list[tuple[str, str, Mapping[str, float]]] = []
    for name, record in run.nodes.items():
        if record["kind"] == "results":
            found = run.artifact(name).facts
            measured = found.get("bits_per_byte")
            if measured and "tasks" not in found:
                seed = "-" if record["seed"] is None else str(record["seed"])
                losses.append((", ".join(record["arms"]) or name, seed, measured))
    if not losses:
        return ""
    every = list(dict.fromkeys(d for _, _, measured in losses for d in measured))
    domains = few(every, run)
    rows = [(arm, seed, *(f"{m[d]:.4f}" if d in m else "-" for d in domains)) for arm, seed, m in losses]
    title = "Held-out bits per byte (smaller is better)" + left_out(every, domains)
    return f"{title}\n" + table(("arm", "seed", *domains), rows)


def _tasks(run: Run) -> Iterator[str]:
    """What zero-shot tasks found, as on the page."""
    from vernier.report import tasks

    for one in tasks.measured(run):
        for shown in tasks.tables(one):
            yield f"{shown.title}\n" + table(shown.head, shown.rows)
        yield "\n".join(tasks.notes(one))


def _records(counts: Mapping[str, int]) -> str:
    """The conservation of a reader: every record is a row or in quarantine."""
    rows, bad = counts.get("rows", 0), counts.get("quarantined", 0)
    return f"{rows + bad:,} records = {rows:,} rows + {bad:,} quarantined"


def _ledger(kind: str, counts: Mapping[str, int], reader: bool) -> str:
    if kind == "corpus":
        text, failed = size(counts.get("bytes", 0)), _reasons(counts, "failed.")
        text += f"; failed: {failed}" if failed else ""
        return f"{text}; {_records(counts)}" if reader else text
    if kind == "selection":
        dropped = _reasons(counts, "dropped.")
        return f"{counts['kept']:,} kept; {dropped}" if dropped else f"{counts['kept']:,} kept"
    parts = [f"{counts[k]:,} {k.replace('_', ' ')}" for k in ("not_scored", "undefined") if counts.get(k)]
    return ", ".join(parts)


def _reasons(counts: Mapping[str, int], start: str) -> str:
    """The most frequent reasons, and how many rows have another one."""
    found = [(k.removeprefix(start), n) for k, n in counts.items() if k.startswith(start)]
    found.sort(key=lambda one: -one[1])
    first, rest = found[:REASONS], found[REASONS:]
    told = [f"{n:,} {reason}" for reason, n in first]
    if rest:
        told.append(f"{sum(n for _, n in rest):,} for {len(rest)} other reasons")
    return ", ".join(told)


def _tell(kind: str, values: Mapping[str, Any]) -> str:
    if kind == "corpus" and "rows" not in values:
        return f"failed: {values['failed']}" if values.get("failed") else f"{size(values['num_bytes'])} of text"
    if kind == "corpus":
        rows = ", ".join(f"{row:,}" for row in values["rows"])
        times = "" if len(values["rows"]) == 1 else f" {len(values['rows'])} times"
        return f"in it{times} (shard {values['shard']}, row {rows})"
    if kind == "selection":
        said = "kept" if values["count"] else f"dropped: {values['reason']}{_by_rule(values)}"
        if values["count"] > 1:
            said += f" {values['count']} times"
        if values.get("rank") is not None:
            said += f", rank {values['rank']:,}"
        if values.get("measure") is not None:
            said += f", {values['by']} {values['measure']:.4g}"
        cut, decided = values["account"].get("cut"), values["count"] or values["reason"] in ("below_cut", "not_drawn")
        return said + (f", cut at {cut:.4g}" if decided and cut is not None else "")
    if "holds" in values:
        return "; ".join(map(_holds, values["holds"][:ITEMS])) or "holds nothing of the benchmark"
    known = [f"{n} {_score(v)}" for n, v in values.items() if v is not None]
    return ", ".join(known) or "not scored"


def _by_rule(values: Mapping[str, Any]) -> str:
    """What was measured where a document was dropped for it, a rule's limit, what it is a copy of; else nothing."""
    from vernier.core.rules import RULES

    if values.get("measured") is None:
        return ""
    if values.get("duplicate_of") is not None:
        return f" (of {values['duplicate_of'].hex()}, likeness {values['measured']:.4g})"
    if values["reason"] not in RULES:
        return f" ({values['measured']:.3g})"
    return f" ({RULES[values['reason']].told(values['measured'], values['account']['limits'][values['reason']])})"


def _holds(held: Held) -> str:
    """What of an item a document holds, with the text."""
    text = line(held.text)
    text = f"{text[:QUOTED]}..." if len(text) > QUOTED else text
    of = f"{held.found:,} of {held.ngrams:,} n-grams of {held.task} {held.id}"
    return f"holds {of} (bytes {held.start:,} to {held.end:,}): {text}"


def _score(value: Any) -> str:
    """A score in a line: a list, which has a number for each token, by its length."""
    if isinstance(value, list):
        return f"[{len(value):,} numbers]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _rows(run: Run, node: str, number: int, *, bad: bool, kept: bool, reason: str | None) -> Iterator[dict[str, Any]]:
    """The first rows of a table; with a corpus beside it, each with the document that it is about."""
    from vernier.core import tables
    from vernier.core.artifact import DATA, QUARANTINED
    from vernier.pipeline.why import row_of

    artifact, store = run.artifact(node), run.store
    about = run.nodes[node]["inputs"].get("corpus") if artifact.kind in ("scores", "selection") else None
    corpus = run.artifact(about) if about is not None else None
    failed = bad and any(count.startswith("failed.") for count in artifact.counts)  # rows, which say so in a column
    name, left = (QUARANTINED if bad and not failed else DATA), number
    for shard, ref in enumerate(artifact.shards):
        if name not in ref.files:
            continue
        path, start = f"{ref.folder}/{name}", 0
        with store.open(path) as file:
            for batch in tables.open_parquet(file).iter_batches(1024):
                for row, values in enumerate(batch.to_pylist(), start):
                    if left == 0:
                        return
                    why = values.get("failed" if failed else "reason")
                    if (kept and not values["count"]) or (failed and why is None) or reason not in (None, why):
                        continue
                    left -= 1
                    if corpus is not None:
                        values = row_of(run, corpus, shard, row, ["doc_id", "id", "text"]) | values
                    yield values
                start += batch.num_rows


def _causes(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What a node itself does otherwise; none if only what its inputs hold differs."""
    from vernier.core.changes import own_changes

    changes = [(c.what, c.before, c.after) for c in own_changes(left["stage"], right["stage"])]
    for name in sorted({*left["inputs"], *right["inputs"]}):
        old, new = left["inputs"].get(name, "none"), right["inputs"].get(name, "none")
        if old != new and left["stage"]["inputs"].get(name) != right["stage"]["inputs"].get(name):
            changes.append((f"input {name}", old, new))
    if not changes and left["stage"] == right["stage"]:
        changes.append(("made anew", "other bytes", "from the same"))
    if changes and left["rows"] != right["rows"]:
        changes.append(("rows", count(left["rows"]), count(right["rows"])))
    return changes


def _kept_overlap(a: Run, b: Run, node: str) -> tuple[str, str]:
    """Rows kept by each of two runs, and how many both keep."""
    from vernier.core.shard import Inputs

    left, right = a.artifact(node), b.artifact(node)
    if left.rows_of != right.rows_of:
        return f"{left.counts['kept']:,} of one corpus", f"{right.counts['kept']:,} of another"
    both = 0
    for i in range(len(left.shards)):
        one = Inputs(a.store.url, {"selection": left}).shard(i).kept()
        two = Inputs(b.store.url, {"selection": right}).shard(i).kept()
        both += int((one & two).sum())
    return f"{left.counts['kept']:,} ({both:,} in both)", f"{right.counts['kept']:,}"


def _first_line(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def _kind(kind: str) -> str:
    extra = {"?": " (optional)", "*": " (one or more)"}
    return kind[:-1] + extra[kind[-1]] if kind[-1] in extra else kind


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return json.dumps(field.default, default=str)
    if field.default_factory is not dataclasses.MISSING:
        return json.dumps(field.default_factory(), default=str)
    return "(must be given)"


def _short(value: Any) -> Any:
    """A value for one line of a terminal: ids in hex, long texts and lists cut."""
    if isinstance(value, list) and len(value) > 8:
        return [*value[:8], "..."]
    if isinstance(value, bytes):
        return value.hex() if len(value) == 16 else repr(value[:200])
    return value[:200] + "..." if isinstance(value, str) and len(value) > 200 else value
