"""Corpora: readers of the outside world, and what makes one corpus from another."""

from vernier.core.plugin import lazy

__getattr__, __dir__ = lazy(__name__)
