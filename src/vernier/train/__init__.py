"""Training: tokenizers and models from a selected corpus."""

from vernier.core.plugin import lazy

__getattr__, __dir__ = lazy(__name__)
