"""Train a byte-level BPE tokenizer on a corpus.

Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) over bytes, as in GPT-2: any text can be encoded and
comes back unchanged. One special token, `<|endoftext|>`, stands between documents; it is both bos and eos. Merges
depend on counts and break ties by order, so the same documents give the same bytes.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.models import tokenizer as trained
from vernier.models.needs import needs

SEPARATOR = "<|endoftext|>"
SMALLEST = 257  # the bytes and the separator
MEASURED = 1 << 24  # bytes of the training text that the compression is measured on
# A word is merged in time that grows with the square of its length: longer ones are learnt from in pieces. A line of
# base64 or of blanks is one word.
LONGEST = 1000  # characters
_LONG = re.compile(rf"\S{{{LONGEST}}}|\s{{{LONGEST}}}")


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """A byte-level BPE tokenizer trained on the selected documents.

    vocab   number of tokens, the 256 bytes and the separator among them
    """

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}

    vocab: int = 2048

    def __post_init__(self) -> None:
        if self.vocab < SMALLEST:
            raise RecipeError(
                "the vocabulary is too small", found=f"vocab: {self.vocab}", expected=f"at least {SMALLEST}"
            )

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Writes tokenizer.json and the two files that `transformers.AutoTokenizer` wants beside it."""
        needs("tokenizers")
        from tokenizers import Tokenizer as Library
        from tokenizers import decoders, pre_tokenizers, processors, trainers
        from tokenizers.models import BPE

        library = Library(BPE())
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        library.post_processor = processors.ByteLevel(trim_offsets=False)
        library.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab,
            special_tokens=[SEPARATOR],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        texts = _pieces(inputs.texts())
        first = next(texts, None)
        if first is None:
            raise DataError("there is no text to train a tokenizer on", found="no selected document")
        library.train_from_iterator(itertools.chain([first], texts), trainer)
        library.save(str(out / "tokenizer.json"))
        special = {"bos_token": SEPARATOR, "eos_token": SEPARATOR}
        _write(out / "special_tokens_map.json", special)
        _write(
            out / "tokenizer_config.json",
            {**special, "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False},
        )
        made = trained.Tokenizer(out)
        return {"tokenizer": made.digest, "vocabulary": made.vocabulary, **_compression(made, inputs)}


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    """The texts, cut within words that are longer than `LONGEST`."""
    for text in texts:
        start = 0
        for run in _LONG.finditer(text):
            yield text[start : run.end()]
            start = run.end()
        yield text[start:]


def _compression(made: trained.Tokenizer, inputs: Inputs) -> dict[str, Any]:
    """Bytes per token on the beginning of the training text."""
    num_bytes = num_tokens = 0
    texts = inputs.texts()
    while num_bytes < MEASURED and (batch := list(itertools.islice(texts, trained.BATCH))):
        for encoded in made.encode(batch):
            num_bytes += encoded.num_bytes
            num_tokens += len(encoded.ids)
    return {
        "num_bytes": num_bytes,
        "num_tokens": num_tokens,
        "bytes_per_token": round(num_bytes / num_tokens, 6) if num_tokens else None,
    }


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
