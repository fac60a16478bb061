"""The unpacked stream of an archive of which each record is a gzip member or a zstd frame of its own.

So what can not be unpacked, or should not be, costs one member: the next one is found by its magic number and by what
its first bytes unpack to. The frames of a zstd archive may need a dictionary, which then is its first frame
(iipc.github.io/warc-specifications, WARC file compression 1.0 with Zstandard).
"""

from __future__ import annotations

import contextlib
from typing import IO, Any

import zstandard

from vernier.corpus import streams

# Packed bytes handed to a decoder at a time. At most 1 byte becomes 1032 in deflate (zlib's own figure), and 4 bytes
# become 128 KB in zstd (a block of one repeated byte, RFC 8878, 3.1.1.2): 16 MB and 128 MB at the very worst.
_FEED = {"gzip": 16 << 10, "zstd": 4 << 10, "bzip2": 1 << 10, "xz": 1 << 10}
_MEMBER = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
_DICTIONARY = b"\x5d\x2a\x4d\x18"
_MOST_DICTIONARY = 16 << 20  # bytes; zstd itself makes them of 112 KB
_PROBE_FEED = 512
_PROBE = 4 << 10  # packed bytes tried: enough for a first block of either form to give its first bytes


class Members:
    """The blocks of a stream, in any of the forms of `streams`, with leave to go on at the next member.

    begins   what the unpacked bytes of a member begin with
    fresh    the present member has not given a block yet
    first    the last block was the first one of its member
    """

    def __init__(self, source: IO[bytes], begins: bytes) -> None:
        self._source, self._begins = source, begins
        source.seek(0)
        self.form = streams.format_of(source.read(16))
        self._magic = _MEMBER.get(self.form)
        self.first = False
        self.fresh = True
        self._decoder: Any = None
        self._dictionary = self._found_dictionary() if self.form == "zstd" else None
        self._at(0)

    def _found_dictionary(self) -> zstandard.ZstdCompressionDict | None:
        """The dictionary in a skippable frame at the begin of the file, which may be packed itself."""
        self._source.seek(0)
        head = self._source.read(8)
        if not head.startswith(_DICTIONARY) or int.from_bytes(head[4:], "little") > _MOST_DICTIONARY:
            return None
        data = self._source.read(int.from_bytes(head[4:], "little"))
        if data.startswith(_MEMBER["zstd"]):
            with contextlib.suppress(zstandard.ZstdError):  # then no frame can be unpacked, and that is said of each
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MOST_DICTIONARY)
        return zstandard.ZstdCompressionDict(data)

    def _at(self, position: int) -> None:
        """Go on at this byte of the file."""
        self._source.seek(position)
        self._position = self._member = position  # of what is fed next, and of the present member
        self._view = memoryview(b"")
        self._decoder, self.fresh = None, True

    def block(self) -> bytes:
        """The next bytes, b"" behind the last. Raises BrokenStreamError where they can not be unpacked."""
        if self.form == "plain":
            return self._source.read(streams.BLOCK)
        while True:
            if not self._view:
                self._view = memoryview(self._source.read(streams.INPUT))
            if not self._view:
                if self._decoder is None:
                    return b""
                raise streams.BrokenStreamError(
                    f"the {self.form} stream ends in mid-frame at byte {self._position} of the file"
                )
            if self._decoder is None and self._begin():
                continue
            block = self._unpack()
            if block:
                self.first, self.fresh = self.fresh, False
                return block

    def _begin(self) -> bool:
        """Get ready for a member; True if what stands here is none."""
        if self.form == "gzip" and self._view[0] == 0:  # padding, as in `streams`
            self._forward(1)
            return True
        self._member, self.fresh = self._position, True
        self._decoder = streams.decoder_of(self.form, self._dictionary)
        return False

    def _unpack(self) -> bytes:
        part = self._view[: _FEED[self.form]]
        try:
            block = self._decoder.decompress(part)
        except streams.DAMAGE as error:
            raise streams.BrokenStreamError(
                f"the {self.form} stream is damaged at about byte {self._position} of the file ({error})"
            ) from error
        used = len(part)
        if self._decoder.eof:
            used -= len(self._decoder.unused_data)
            self._decoder = None
        self._forward(used)
        return block

    def _forward(self, used: int) -> None:
        self._position, self._view = self._position + used, self._view[used:]

    def skip(self) -> bool:
        """Go on at the member behind the present one without unpacking this. False, and nothing is skipped, if there is
        none, or the form has no members."""
        if self._magic is None:
            return False
        position = self._member + 1
        while True:
            self._source.seek(position)
            data = self._source.read(streams.INPUT + _PROBE)
            at = data.find(self._magic)
            while 0 <= at < streams.INPUT:
                if self._opens(data[at : at + _PROBE]):
                    self._at(position + at)
                    return True
                at = data.find(self._magic, at + 1)
            if len(data) < streams.INPUT + _PROBE:
                self._source.seek(self._position + len(self._view))
                return False
            position += streams.INPUT

    def _opens(self, packed: bytes) -> bool:
        found = b""
        decoder = streams.decoder_of(self.form, self._dictionary)
        try:
            for at in range(0, len(packed), _PROBE_FEED):
                found += decoder.decompress(packed[at : at + _PROBE_FEED])
                if len(found) >= len(self._begins) or decoder.eof:
                    break
        except streams.DAMAGE:
            return False
        return found.startswith(self._begins)
