# The library ships no types: its names are Any, so that strict mode judges our own code.
from typing import Any

def __getattr__(name: str) -> Any: ...
