"""`init`: look at the user's files and write a commented recipe for them."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

SAMPLE = 500  # records looked at
JSONL = (".jsonl", ".ndjson", ".json")
PACKED = (".gz", ".zst", ".bz2", ".xz")
TEXT = (".txt", ".md", ".rst")
ARCHIVES = (".warc", ".wet")
HTML = (".html", ".htm")
NO_FIELDS = ("read_text", "read_warc", "read_html")  # readers of what is no record of fields
FIELDS = {  # corpus column: names that it goes by in the wild, most usual first
    "text": ("text", "content", "raw_content", "body", "document", "markdown", "code", "completion"),
    "id": ("id", "doc_id", "uuid", "url", "warc_record_id"),
    "domain": ("domain", "subset", "source", "dataset", "category", "lang", "language"),
    "license": ("license", "licence", "license_type"),
}


@dataclass(frozen=True)
class _Found:
    """What `init` saw: the reader's name, its pattern, and the first records."""

    reader: str
    pattern: str
    files: int
    num_bytes: int
    records: Sequence[Mapping[str, Any]]
    others: int


def init(
    path: Annotated[
        Path,
        typer.Argument(help="A file, or a folder of files: JSONL (.gz, .zst), Parquet, text, web archives or HTML."),
    ],
    to: Annotated[Path, typer.Option(help="The recipe to write.", metavar="FILE")] = Path("recipe.yaml"),
    target: Annotated[
        str | None, typer.Option(help="The domain that results are measured on: what your models should get good at.")
    ] = None,
    surface: Annotated[bool, typer.Option("--surface", help="Only the cheap scores: no model, no torch.")] = False,
) -> None:
    """Look at your files and write a commented recipe for them."""
    from vernier.core.errors import ResumeError

    if to.exists():
        raise ResumeError(f"{to} is there already", do="give another name with --to, or remove it")
    found = _look(path)
    fields = _fields(found)
    domains = Counter(str(r[fields["domain"]]) for r in found.records if r.get(fields.get("domain", "")) is not None)
    if target is None and domains and sys.stdin.isatty():
        print("Domains in the first records: " + ", ".join(f"{d} ({n})" for d, n in domains.most_common(8)))
        target = typer.prompt("Which one should the models get good at? (empty: none)", default="") or None
    _check_target(target, fields, domains, found)
    to.write_text(_recipe(found, fields, target, surface, to.stem), encoding="utf-8")
    print(f"{found.files} files, {found.num_bytes:,} bytes; {found.others} other files left alone")
    print("fields: " + ", ".join(f"{column} = {name!r}" for column, name in fields.items()))
    print(f"wrote {to}\nnext: vernier check {to}; vernier plan {to}; vernier run {to}")


def _check_target(target: str | None, fields: Mapping[str, str], domains: Mapping[str, int], found: _Found) -> None:
    """Raises RecipeError for a target that no record can have, as far as the first records tell."""
    from vernier.core.errors import RecipeError, nearest

    if target is None or target in domains:
        return
    if found.reader in NO_FIELDS or "domain" not in fields:
        raise RecipeError(
            "these records have no domain, so none can be the target",
            found="text files or web pages"
            if found.reader in NO_FIELDS
            else f"no field named {', '.join(FIELDS['domain'])}",
            expected="records with a field that says which kind each is",
            do="leave `--target` out: the recipe then compares losses by domain and gives no verdict",
        )
    seen = f"{len(found.records)} records: {', '.join(f'{d} {n}' for d, n in Counter(domains).most_common(8))}"
    if len(found.records) < SAMPLE:
        raise RecipeError(f"no record has the domain {target!r}", found=seen, do=nearest(target, domains))
    print(f"note: none of the first {seen}: {nearest(target, domains)}", file=sys.stderr)


def _look(path: Path) -> _Found:
    from vernier.core.errors import RecipeError

    if not path.exists():
        raise RecipeError(f"there is nothing at {path}", do="give a file or a folder that exists")
    saved = _saved(path) if path.is_dir() else []
    if len(saved) > 1:
        raise RecipeError(
            f"{path} holds {len(saved)} data sets by `save_to_disk`",
            found=", ".join(str(folder) for folder in saved[:8]) + (" ..." if len(saved) > 8 else ""),
            expected="one, since a reader reads one",
            do=f"vernier init {shlex.quote(str(saved[0]))}",
        )
    if saved:
        inside = [f for f in saved[0].rglob("*") if f.is_file()]
        others = sum(f.is_file() for f in path.rglob("*")) - len(inside)
        size = sum(f.stat().st_size for f in inside)
        return _Found("read_hf", str(saved[0]), len(inside), size, _first_batch(saved[0]), others)
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file() and f.name[0] != ".")
    kinds: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        reader, ending = _kind(file)
        kinds.setdefault((reader, ending), []).append(file)
    known = {kind: files for kind, files in kinds.items() if kind[0]}
    if not known:
        raise RecipeError(
            f"no file that Vernier reads in {path}",
            found=", ".join(sorted({f.suffix or f.name for f in files})[:8]) or "no files",
            expected=f"{', '.join((*JSONL, *ARCHIVES, *HTML))} (also {', '.join(PACKED)}), .parquet, {', '.join(TEXT)}",
        )
    (reader, ending), chosen = max(known.items(), key=lambda kind: sum(f.stat().st_size for f in kind[1]))
    pattern = str(path) if path.is_file() else f"{escape(str(path))}/**/*{ending}"
    return _Found(
        reader,
        pattern,
        len(chosen),
        sum(f.stat().st_size for f in chosen),
        list(islice(_records(reader, chosen), SAMPLE)),
        len(files) - len(chosen),
    )


def _saved(folder: Path) -> list[Path]:
    """Data sets that `save_to_disk` wrote: the folder itself, else those below it."""
    names = {child.name for child in folder.iterdir()}
    if "dataset_dict.json" in names or {"dataset_info.json", "state.json"} <= names:
        return [folder]
    below = [child for child in sorted(folder.iterdir()) if child.is_dir() and not child.is_symlink()]
    return [saved for child in below if child.name[0] != "." for saved in _saved(child)]


def _first_batch(folder: Path) -> Sequence[Mapping[str, Any]]:
    """The first records of a data set by `save_to_disk`; of its split `train` where it has several."""
    import pyarrow as pa

    if (folder / "dataset_dict.json").exists():
        splits = json.loads((folder / "dataset_dict.json").read_bytes())["splits"]
        folder /= "train" if "train" in splits else splits[0]
    state = json.loads((folder / "state.json").read_bytes())
    for file in state["_data_files"]:
        with pa.memory_map(str(folder / file["filename"])) as source:
            for batch in pa.ipc.open_stream(source):
                if batch.num_rows:
                    return batch.slice(0, SAMPLE).to_pylist()
    return []


def _kind(file: Path) -> tuple[str, str]:
    """The reader for a file, and the ending that it shares with others of its kind; ("", "") if there is none."""
    ending = file.suffix
    packed = ending if ending in PACKED else ""
    plain = Path(file.stem).suffix if packed else ending
    if plain in JSONL:
        return "read_jsonl", plain + packed
    if plain in ARCHIVES:
        return "read_warc", plain + packed
    if plain in HTML:
        return "read_html", plain + packed
    if ending == ".parquet":
        return "read_parquet", ending
    return ("read_text", ending) if ending in TEXT else ("", "")


def _records(reader: str, files: Sequence[Path]) -> Iterator[Mapping[str, Any]]:
    """The first records, for a look at their fields; what can not be parsed is left to the reader to judge."""
    from vernier.core.tables import SHARD_TEXT
    from vernier.corpus.streams import LongLine, decompressed_blocks, format_of, lines, plain_blocks

    for file in files:
        if reader == "read_parquet":
            import pyarrow.parquet as pq

            for batch in pq.ParquetFile(file).iter_batches(SAMPLE):
                yield from batch.to_pylist()
        elif reader == "read_jsonl":
            with open(file, "rb") as raw:
                form = format_of(raw.read(16))
                raw.seek(0)
                size = file.stat().st_size
                blocks = plain_blocks(raw, size) if form == "plain" else decompressed_blocks(raw, form)
                for offset, block in lines(blocks, 0, SHARD_TEXT):
                    if isinstance(block, LongLine):
                        continue
                    if offset == 0:
                        _check_lines(block, file)
                    for line in block:
                        record = _parse(line)
                        if isinstance(record, dict):
                            yield record


def _check_lines(block: Sequence[bytes], file: Path) -> None:
    """Raises DataError for a file that is one JSON array of records, which the reader would refuse."""
    from vernier.core.errors import DataError

    if re.match(rb"(\xef\xbb\xbf)?\s*\[\s*\{", b"\n".join(block[:8])):
        raise DataError(
            "a file is not JSON Lines",
            where=str(file),
            found="one JSON array",
            expected="one JSON object on each line",
            do="convert it (`jq -c '.[]'`), or read its folder with corpus.read_hf",
        )


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _fields(found: _Found) -> dict[str, str]:
    """Which field of the records is which column of the corpus."""
    from vernier.core.errors import DataError

    if found.reader in NO_FIELDS:
        return {"text": "text"}
    seen = Counter((name, type(value)) for record in found.records for name, value in record.items())
    out: dict[str, str] = {}
    for column, names in FIELDS.items():
        kinds = (str, int) if column == "id" else (str,)
        name = next((n for n in names if n not in out.values() and any(seen[n, kind] for kind in kinds)), None)
        if name is not None:
            out[column] = name
    if "text" not in out:
        lengths = Counter[str]()
        for record in found.records:
            lengths.update({n: len(v) for n, v in record.items() if isinstance(v, str)})
        if not lengths:
            raise DataError(
                "the first records have no text",
                where=found.pattern,
                found=f"{len(found.records)} records, none with a field that holds a string",
                expected="one JSON object on each line, with the text in a field"
                if found.reader == "read_jsonl"
                else "records with the text in a column",
            )
        out["text"] = lengths.most_common(1)[0][0]
    return out


def _recipe(found: _Found, fields: Mapping[str, str], target: str | None, surface: bool, name: str) -> str:
    place = json.dumps(found.pattern, ensure_ascii=False)
    reader = [f"path: {place}" if found.reader == "read_hf" else f"paths: [{place}]"]
    if found.reader not in NO_FIELDS:
        reader += [f"{column}: {json.dumps(field, ensure_ascii=False)}" for column, field in fields.items()]
        reader += [f"{column}: null" for column in FIELDS if column not in fields]
    goal = (
        f"target: {{domain: {json.dumps(target, ensure_ascii=False)}}}"
        if target
        else ("# target: {domain: ...}        # what the models should get good at; without it there is no verdict")
    )
    if found.reader in ("read_warc", "read_html"):
        extract, text = ("", "pages") if ".wet" in found.pattern else (_EXTRACT, "text")
        return _WEB.format(name=name, reader=found.reader, settings=", ".join(reader), extract=extract, text=text)
    template = _SURFACE if surface else _MODELS
    told = {"told_stages": "", "told_arms": ""}
    if target:
        quoted = json.dumps(target, ensure_ascii=False)
        told = {"told_stages": _TOLD_STAGES.format(target=quoted), "told_arms": _TOLD_ARMS}
    return template.format(name=name, goal=goal, reader=found.reader, settings=(",\n" + " " * 11).join(reader), **told)


_HEAD = """\
# Written by `vernier init`. `vernier check`, `vernier plan` and `vernier run` take it from here.
vernier: 1
name: {name}
{goal}
"""

_SURFACE = (
    _HEAD
    + """stages:
  clean:                                 # your files as a corpus; bad records go to quarantine
    do: corpus.{reader}
    with: {{{settings}}}
  surface: {{do: score.surface, in: {{corpus: clean}}}}          # length, compressibility, stop words, symbols
  keep:                                  # by: length, zlib_ratio, stop_word_share or low_symbol_share
    do: select.top_k
    in: {{corpus: clean, a: surface}}
    with: {{by: stop_word_share, keep: {{share: 0.5}}}}          # or {{documents: 10k}}, {{bytes: 1GB}}
"""
)

_EXTRACT = """\
  text:     {do: corpus.extract, in: {corpus: pages}}                          # the main content of each page
"""

_WEB = """\
# Written by `vernier init`. `vernier check`, `vernier plan` and `vernier run` take it from here.
vernier: 1
name: {name}
stages:
  # What is no page is counted; what is broken goes to quarantine.
  pages:    {{do: corpus.{reader}, with: {{{settings}}}}}
{extract}  # Without lines that are menus and counters, and without e-mail addresses, phone numbers and keys.
  clean:    {{do: corpus.clean, in: {{corpus: {text}}}, with: {{lines: {{rules: [redstone]}}, mask: {{}}}}}}
  language: {{do: score.language, in: {{corpus: clean}}}}
  signals:  {{do: score.signals, in: {{corpus: clean}}}}    # `vernier show RUN signals` draws every rule
  english:  {{do: select.threshold, in: {{corpus: clean, a: language}}, with: {{by: a.p_en, at_least: 0.65}}}}
  keep:                                  # rules: gopher, gopher_repetition, c4, fineweb, redstone_general
    do: select.rules                     # limits: {{few_words: 20}} sets one; null switches it off
    in: {{corpus: clean, within: english, signals: signals}}
    with: {{rules: [gopher, fineweb]}}
"""

_MODELS = (
    _HEAD
    + """seeds: {{values: [0, 1, 2], from: [keep]}}     # how often each arm is trained
stages:
  clean:                                 # your files as a corpus; bad records go to quarantine
    do: corpus.{reader}
    with: {{{settings}}}

  # Three slices that never share a text: the scoring models learn on `meta`, `held` measures, `pool` is chosen from.
  meta: {{do: select.slice, in: {{corpus: clean}}, with: {{range: [0, 0.3]}}}}
  held: {{do: select.slice, in: {{corpus: clean}}, with: {{range: [0.3, 0.4]}}}}
  pool: {{do: select.slice, in: {{corpus: clean}}, with: {{range: [0.4, 1]}}}}

  # Two models of different strength, trained on the same text. Larger ones (or your own) tell more.
  bpe: {{do: train.tokenizer, in: {{corpus: clean, selection: meta}}, with: {{vocab: 2048}}}}
  small: {{do: train.pretrain, in: {{corpus: clean, selection: meta, tokenizer: bpe}},
          with: {{model: {{hidden: 48, layers: 2}}, tokens: 512k, max_tokens: 256}}}}
  large: {{do: train.pretrain, in: {{corpus: clean, selection: meta, tokenizer: bpe}},
          with: {{model: {{hidden: 128, layers: 4}}, tokens: 512k, max_tokens: 256, lr: 0.002}}}}

  # Every document of the pool under both models, its first 256 tokens; the difference of their losses ranks it.
  nll_s: {{do: score.nll, in: {{corpus: clean, selection: pool, model: small}}, with: {{max_tokens: 256}}}}
  nll_l: {{do: score.nll, in: {{corpus: clean, selection: pool, model: large}}, with: {{max_tokens: 256}}}}
  tokens: {{do: score.tokens, in: {{corpus: clean, tokenizer: bpe}}}}   # of whole documents
  keep:
    do: select.top_k
    in: {{corpus: clean, within: pool, a: nll_s, b: nll_l, lengths: tokens}}
    with: {{by: excess_loss, keep: {{share: 0.5, of: tokens}}}}

{told_stages}  # Does it help? The same small model on what each arm keeps, the same number of tokens.
  train: {{do: train.pretrain, in: {{corpus: clean, selection: keep, tokenizer: bpe}},
          with: {{model: {{hidden: 48, layers: 2}}, tokens: 256k, max_tokens: 256}}}}
  test: {{do: evaluate.loss, in: {{model: train, corpus: clean, selection: held}}, with: {{max_tokens: 256}}}}

arms:
  excess_loss: {{}}
  random: {{keep: {{do: select.random, in: {{corpus: clean, within: pool, lengths: tokens}},
                  with: {{keep: {{share: 0.5, of: tokens}}}}}}}}
  # Another random lot: if the comparison tells it from `random`, it is not to be trusted.
  random2: {{keep: {{do: select.random, in: {{corpus: clean, within: pool, lengths: tokens}},
                   with: {{keep: {{share: 0.5, of: tokens}}, draw: 1}}}}}}
{told_arms}"""
)

_TOLD_STAGES = """\
  # For the two arms that are told the target: its documents, and a model that has read nothing else.
  wanted_meta: {{do: select.where, in: {{corpus: clean, within: meta}}, with: {{column: domain, among: [{target}]}}}}
  wanted_pool: {{do: select.where, in: {{corpus: clean, within: pool}}, with: {{column: domain, among: [{target}]}}}}
  informed: {{do: train.pretrain, in: {{corpus: clean, selection: wanted_meta, tokenizer: bpe}},
             with: {{model: {{hidden: 128, layers: 4}}, tokens: 512k, max_tokens: 256, lr: 0.002}}}}
  nll_i: {{do: score.nll, in: {{corpus: clean, selection: pool, model: informed}}, with: {{max_tokens: 256}}}}

"""

_TOLD_ARMS = """\
  # Told the target: where the model that has read only that is further ahead; and chance inside it, without a model.
  contrast: {keep: {in: {b: nll_i}}}
  reference_random: {keep: {do: select.random, in: {corpus: clean, within: wanted_pool, lengths: tokens},
                            with: {keep: {share: 0.5, of: tokens}}}}
"""
