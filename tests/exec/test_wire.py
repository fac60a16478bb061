from __future__ import annotations

import os
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.exec import wire


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=300) | st.integers() | st.text(max_size=50), max_size=5))
def test_messages_arrive_whole_and_in_order(values: list[object]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for value in values:
            wire.send(ours.fileno(), value)
        assert [wire.receive(theirs.fileno()) for _ in values] == values


def test_a_message_larger_than_any_buffer() -> None:
    read, write = os.pipe()
    value = os.urandom(10_000_000)
    sender = threading.Thread(target=wire.send, args=(write, value))
    sender.start()
    assert wire.receive(read) == value
    sender.join()
    os.close(write)
    with pytest.raises(EOFError):
        wire.receive(read)
    os.close(read)


def test_half_a_message_is_an_end() -> None:
    read, write = os.pipe()
    os.write(write, (100).to_bytes(8, "little") + b"half")
    os.close(write)
    with pytest.raises(EOFError):
        wire.receive(read)
    os.close(read)
