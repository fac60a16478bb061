"""Scores: columns of sums and counts, one row for each document."""

from vernier.core.plugin import lazy

__getattr__, __dir__ = lazy(__name__)
