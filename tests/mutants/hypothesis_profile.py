"""A pytest plugin for `run.py`: a mutant has to be noticed, not to be shrunk to the smallest example."""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile(
    "mutants", phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False, database=None, deadline=None
)
settings.load_profile("mutants")
