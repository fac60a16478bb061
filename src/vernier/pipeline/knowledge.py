"""What an arm was told of the documents, besides their text: read off what its models were made of.

Two ways lead to knowledge. A selection says itself what it was told (`told()`: a domain, a label); whatever comes after
it knows that too, be it a classifier that was fitted on it and the scores by that classifier. And who chooses by a
measure of other documents than those that are trained on (a target's n-grams, a model of good text) was told these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vernier.core.plugin import shape_of
from vernier.pipeline.lineage import Lineage

# Models by which nobody learns what is wanted (texts that are kept out among them), and those that tell a student more
# than its documents do.
TOKENIZER, TEACHER = "tokenizer", "teacher"
KEPT_OUT = ("seen", "benchmark")


def told(lineage: Lineage, models: Iterable[str]) -> list[str]:
    """What was told to anything that these models were made of, in words, sorted.

    models   ids of nodes
    """
    models = list(models)
    behind = _behind(lineage, models, lambda label, kind: label not in KEPT_OUT)
    plugins = [lineage.nodes[name].plugin for name in behind]
    words = {word for plugin in plugins if hasattr(plugin, "told") for word in plugin.told()}
    read = _behind(lineage, models, lambda label, kind: label not in (TOKENIZER, *KEPT_OUT))
    trained_on = _behind(
        lineage,
        models,
        lambda label, kind: kind in ("corpus", "windows", "model") and label not in (TOKENIZER, TEACHER),
    )
    others = [lineage.nodes[name] for name in read - trained_on]
    return sorted(words | {f"documents of {node.stage}" for node in others if shape_of(node.plugin) == "reader"})


def _behind(lineage: Lineage, names: Iterable[str], follows: Callable[[str, str], bool]) -> set[str]:
    """These nodes and what they were made of by inputs of which `follows(label, kind)` is true; but not by an earlier
    corpus, whose copies are kept out and no more."""
    found = set(names)
    for name in reversed(list(lineage.nodes)):
        if name in found:
            node = lineage.nodes[name]
            apart = getattr(node.plugin, "apart", ())
            named = ((label.partition("[")[0], source) for label, source in node.inputs.items())
            found |= {s for label, s in named if label not in apart and follows(label, lineage.artifacts[s].kind)}
    return found
