"""Selections: which documents are wanted, how often, and why the others were dropped."""

from vernier.core.plugin import lazy

__getattr__, __dir__ = lazy(__name__)
