"""Mixing: weights of scores and of domains, found by small experiments."""

from vernier.core.plugin import lazy

__getattr__, __dir__ = lazy(__name__)
