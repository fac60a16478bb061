"""Which rows the tables of a recipe describe, known before anything runs: a stage zips only tables of the same rows.

`Inputs.check_aligned` tests it again on what was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vernier.core.artifact import ALIGNED
from vernier.core.errors import RecipeError
from vernier.core.nodes import Node
from vernier.core.plugin import Reader


def misaligned(nodes: Sequence[Node], place: Callable[[Node, str], str]) -> Iterator[RecipeError]:
    """One error for each input whose rows are not those of the first table that its node reads.

    nodes   each behind its inputs
    place   of an input of a node in the recipe
    """
    origins: dict[str, Node] = {}  # by node id: where its rows began; only kinds that have rows
    told: set[str] = set()
    for node in nodes:
        apart = getattr(node.plugin, "apart", ())
        tables = {
            label: origins[source]
            for label, source in node.inputs.items()
            if source in origins and label.partition("[")[0] not in apart
        }
        first = next(iter(tables), "")
        for label, origin in tables.items():
            where = place(node, label)
            if origin.id != tables[first].id and where not in told:
                told.add(where)
                yield RecipeError(
                    f"the inputs {first!r} and {label!r} of {node.stage!r} do not describe the same rows",
                    where=where,
                    found=f"{first!r} has the rows of {_name(tables[first])}, {label!r} those of {_name(origin)}",
                    expected="tables made from the same corpus (or from one with the same rows)",
                    do=f"make {label!r} from the corpus that {first!r} was made from",
                )
        if isinstance(node.plugin, Reader) or getattr(node.plugin, "rows", "same") == "new":
            origins[node.id] = next((n for n in origins.values() if _alike(n, node)), node)
        elif tables and node.plugin.makes in ALIGNED:
            origins[node.id] = tables[first]


def _alike(a: Node, b: Node) -> bool:
    """Whether two nodes make the same rows: the same work under two names."""
    return (a.plugin, a.inputs, a.seed) == (b.plugin, b.inputs, b.seed)


def _name(node: Node) -> str:
    return f"{node.id!r} ({node.where})"
