"""Rows of Arrow tables as records: what Parquet and Hugging Face data sets have in common."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from vernier.core.errors import DataError, nearest
from vernier.core.plugin import Piece
from vernier.corpus import records


class NotUtf8:
    """A value that claims to be a string and is not UTF-8."""

    def __init__(self, data: bytes, error: UnicodeDecodeError) -> None:
        self.data, self.error = data, error


def check_schema(schema: pa.Schema, fields: records.Fields, where: str) -> None:
    """Raises DataError if the table has no text column."""
    if fields.text not in schema.names:
        raise DataError(
            f"there is no column {fields.text!r} to take the text from",
            where=where,
            found=f"columns {', '.join(schema.names)}",
            do=f"set `text:` to the right column ({nearest(fields.text, schema.names)})",
        )


def pieces(
    batches: Iterator[pa.RecordBatch], builder: records.Builder, fields: records.Fields, row: int
) -> Iterator[Piece]:
    """The pieces of some record batches; `row` is the number of the first row, the offset of its record."""
    for batch in batches:
        names = batch.schema.names
        columns = [_values(batch.column(i), as_text=name == fields.text) for i, name in enumerate(names)]
        for values in zip(*columns, strict=True):
            _add(builder, dict(zip(names, values, strict=True)), row, fields.text)
            row += 1
        yield from builder.pieces()
    yield from builder.last(row)


def _add(builder: records.Builder, record: dict[str, Any], row: int, text: str) -> None:
    for name, value in record.items():
        if type(value) is NotUtf8:
            found = f"found byte 0x{value.data[value.error.start]:02x} at byte {value.error.start} of column {name!r}"
            raw = records.to_json({n: _shown(v) for n, v in record.items()})
            builder.reject(row, "bad_utf8", f"{found} ({value.error.reason}), expected UTF-8", raw)
            return
    builder.add(record, row, b"" if type(record[text]) is str else records.to_json(record))


def _shown(value: Any) -> Any:
    return value.data.decode("utf-8", "backslashreplace") if type(value) is NotUtf8 else value


def _values(column: pa.Array, *, as_text: bool) -> list[Any]:
    """A column in JSON's own types: times in ISO 8601, binary in base64, what else there is by `str`."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    is_binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        try:
            return column.to_pylist()
        except UnicodeDecodeError:  # Parquet files are written without a check, and read without one
            column, as_text, is_binary = column.cast(pa.large_binary()), True, True
    if as_text and is_binary:
        return [None if value is None else _decoded(value) for value in column.to_pylist()]
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.string()).to_pylist()  # Python's own times end at microseconds
    values = column.to_pylist()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return values
    return [_plain(value) for value in values]


def _decoded(value: bytes) -> str | NotUtf8:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        return NotUtf8(value, error)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
