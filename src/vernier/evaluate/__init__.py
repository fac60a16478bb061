"""Evaluation: what a model is worth on data that nothing was fitted to."""

from vernier.core.plugin import lazy

__getattr__, __dir__ = lazy(__name__)
