from __future__ import annotations

from vernier.core.changes import Change, own_changes


def test_what_a_stage_does_otherwise_apart_from_its_inputs() -> None:
    before = {"plugin": "p", "version": 1, "seed": 0, "settings": {"a": 1}, "inputs": {"x": "1"}}
    assert own_changes(before, {**before, "inputs": {"x": "2"}}) == []
    after = {**before, "version": 2, "settings": {"b": "ä"}, "units": {f"u{i}": "h" for i in range(5)}}
    assert own_changes(before, after) == [
        Change("version", "1", "2"),
        Change("a", "1", "default"),
        Change("b", "default", '"ä"'),
        Change("added", "-", "u0, u1, u2 and 2 more"),
    ]
