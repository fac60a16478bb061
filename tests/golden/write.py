"""Write down what a plugin makes of the exam's toy set, after its `version` was raised or its examples changed.

    python -m tests.golden.write score.surface select.top_k

Refuses to change the record of a version that is there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.examples import EXAMPLES

from vernier.core import plugin
from vernier.testing import record

if __name__ == "__main__":
    for name in sys.argv[1:] or plugin.names():
        print(record(Path(__file__).parent, name, EXAMPLES.get(name, [{}])))
