"""Bytes in, runs of lines out: decompression by magic number, splitting on LF alone, near-constant memory.

Formats: gzip (RFC 1952, any number of members), zstd (RFC 8878, any number of frames, skippable ones too, and
windows up to 2 GB, as `zstd --long=31` writes them), bzip2, xz, plain. The name of a file says nothing here.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import zstandard

RAW = 64 << 10  # bytes kept of what is too long
BLOCK = 1 << 20  # bytes of decompressed stream aimed at for one block
INPUT = 1 << 20  # bytes asked of a compressed file at a time
_FEED = (512, 4 << 10, 256 << 10)  # least, first and most compressed bytes handed to a decoder at a time
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}
_DECODERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj(),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}
DAMAGE = (zlib.error, zstandard.ZstdError, lzma.LZMAError, OSError, EOFError)


class BrokenStreamError(Exception):
    """A compressed stream that ends too early or is damaged, raised behind the last whole line.

    detail   what was found at which compressed byte
    offset   of `tail` in the decompressed stream
    tail     the decompressed bytes behind the last whole line
    """

    def __init__(self, detail: str, offset: int = 0, tail: bytes = b"") -> None:
        super().__init__(detail)
        self.detail, self.offset, self.tail = detail, offset, tail


def format_of(head: bytes) -> str:
    """The format of a stream that begins with these bytes (16 are plenty): gzip, zstd, bzip2, xz or plain."""
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    # A skippable frame (RFC 8878, 3.1.2): 0x184D2A50 to 0x184D2A5F, little-endian; pzstd begins with one.
    return "zstd" if len(head) >= 4 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18" else "plain"


def plain_blocks(file: IO[bytes], length: int) -> Iterator[bytes]:
    """The next `length` bytes of a file. Raises EOFError if it ends before."""
    while length:
        block = file.read(min(BLOCK, length))
        if not block:
            raise EOFError(f"the file ends {length} bytes too early")
        length -= len(block)
        yield block


def decoder_of(form: str, dictionary: zstandard.ZstdCompressionDict | None = None) -> Any:
    """A fresh decoder for one member or frame: `decompress`, `eof`, `unused_data`. It raises one of `DAMAGE`."""
    if dictionary is not None:
        return zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=1 << 31).decompressobj()
    return _DECODERS[form]()


def decompressed_blocks(file: IO[bytes], form: str) -> Iterator[bytes]:
    """The decompressed stream. Raises BrokenStreamError behind all that could be decompressed."""
    decoder: Any = None
    position, feed = 0, _FEED[1]
    while data := file.read(INPUT):
        view = memoryview(data)
        while view:
            if decoder is None:
                if form == "gzip" and view[0] == 0:  # zero padding behind a member, as tapes and gzip allow
                    position, view = position + 1, view[1:]
                    continue
                decoder = decoder_of(form)
            part = view[:feed]
            try:
                block = decoder.decompress(part)
            except DAMAGE as error:
                raise BrokenStreamError(
                    f"the {form} stream is damaged at about byte {position} of the file ({error})"
                ) from error
            used = len(part)
            if decoder.eof:
                used -= len(decoder.unused_data)
                decoder = None
            position, view = position + used, view[used:]
            if block:
                # A run of one byte can grow ten-thousandfold: what goes in follows what came out.
                feed = max(_FEED[0], min(_FEED[2], 4 * feed, feed * BLOCK // len(block)))
                yield block
    if decoder is not None:
        raise BrokenStreamError(f"the {form} stream ends in mid-frame at byte {position} of the file")


def behind(blocks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """The stream without its first `skip` bytes."""
    for block in blocks:
        if skip < len(block):
            yield block[skip:] if skip else block
        skip = max(0, skip - len(block))


@dataclass(frozen=True)
class LongLine:
    """A line of more bytes than are put up with: its first RAW bytes, and how many it had."""

    head: bytes
    length: int


def lines(blocks: Iterator[bytes], offset: int, most: int) -> Iterator[tuple[int, list[bytes] | LongLine]]:
    """Runs of whole lines without their LF, each with the offset of its first; `offset` is the stream's own.

    A line of more than `most` bytes comes by itself, and is never held whole. A last line without LF counts as one.
    BrokenStreamError passes through with the unfinished line in it, or what is kept of it.
    """
    pending: list[bytes] = []  # the start of a line: joined once, however many blocks it goes on for
    length = 0  # of it
    try:
        for block in blocks:
            cut = block.find(b"\n") if length > most else block.rfind(b"\n")
            if cut < 0:
                length += len(block)
                pending.append(block)
                if length > most:
                    pending = [b"".join(pending)[:RAW]]
                continue
            if length > most:
                yield offset, LongLine((pending[0] + block[: min(cut, RAW)])[:RAW], length + cut)
                offset, block = offset + length + cut + 1, block[cut + 1 :]
                pending, length = [], 0
                cut = block.rfind(b"\n")
            if cut >= 0:
                whole = b"".join([*pending, block[:cut]])
                yield from (
                    _runs(offset, whole.split(b"\n"), most) if len(whole) > most else [(offset, whole.split(b"\n"))]
                )
                offset += len(whole) + 1
                block, pending = block[cut + 1 :], []
            pending.append(block)
            length = sum(map(len, pending))
    except BrokenStreamError as error:
        raise BrokenStreamError(error.detail, offset, b"".join(pending)) from error
    if length > most:
        yield offset, LongLine(pending[0][:RAW], length)
    elif rest := b"".join(pending):
        yield offset, [rest]


def _runs(offset: int, whole: list[bytes], most: int) -> Iterator[tuple[int, list[bytes] | LongLine]]:
    """A run of lines, the long ones among them by themselves."""
    run: list[bytes] = []
    for line in whole:
        if len(line) <= most:
            run.append(line)
            continue
        if run:
            yield offset, run
            offset += sum(map(len, run)) + len(run)
            run = []
        yield offset, LongLine(line[:RAW], len(line))
        offset += len(line) + 1
    if run:
        yield offset, run
