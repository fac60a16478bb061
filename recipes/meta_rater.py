"""Meta-rater on the text that this Python installation carries: which surface counts say what is worth training on?

    python recipes/meta_rater.py            # writes runs/meta-rater; about five minutes on two cores
    python recipes/meta_rater.py --accept   # goes on with weights whose test they did not pass

24 small models are each trained on what another weighting of five counts selects. A regression from weights to losses
finds the weights to select by; beside them stand equal weights and chance. The run ends before the weights are used if
the regression foretells no loss that it has not seen.
"""

from __future__ import annotations

import sys

import vernier
from vernier.core.terms import Term
from vernier.mix.proxies import CLIP, Step, add_proxies
from vernier.models.build import Shape
from vernier.select.budget import Budget

TERMS = (
    Term(column="num_bytes"),
    Term(column="num_words", per="byte"),
    Term(column="num_stop_words", per="byte"),
    Term(column="num_symbols", per="byte", wanted="low"),
    Term(column="zlib_bytes", per="byte"),
)
TARGET = ("prose", "docstring")
SHAPE = Shape(hidden=64, layers=3)
PROXIES, PROXY_TOKENS, TOKENS, FIRST = 24, 65_536, 131_072, 256


def build(accept: bool) -> vernier.Recipe:
    """The recipe; `vernier.Recipe.to_data` gives it as YAML would have it."""
    recipe = vernier.Recipe(
        "meta-rater", target={"domain": list(TARGET)}, seeds={"values": [0, 1, 2], "from": ["keep"]}
    )
    text = recipe.add("text", vernier.corpus.ReadInstalled(max_bytes=4_000_000, max_document=1024, planted=0.05))
    # Proxies choose the weights by `tune`, arms are judged by `held`: no package is in both, nor in the pool.
    slices = {"tune": (0.0, 0.35), "held": (0.35, 0.5), "pool": (0.5, 1.0)}
    for name, range_ in slices.items():
        recipe.add(name, vernier.select.Slice(range=range_, group="package", salt="8"), corpus=text)
    bpe = recipe.add("bpe", vernier.train.Tokenizer(vocab=2048), corpus=text, selection="tune")
    lengths = recipe.add("lengths", vernier.score.Tokens(max_tokens=FIRST), corpus=text, tokenizer=bpe)
    surface = recipe.add("surface", vernier.score.Surface(), corpus=text)
    by_value = vernier.select.TopK(by="a.value", keep=Budget(share=0.5, of="tokens"))

    def training(tokens: int) -> Step:
        plugin = vernier.train.Pretrain(model=SHAPE, tokens=tokens, max_tokens=FIRST, batch=2)
        return Step(plugin, {"tokenizer": bpe})

    mixed = add_proxies(
        recipe,
        "mixed",
        terms=TERMS,
        scores=[surface],
        corpus=text,
        within="pool",
        number=PROXIES,
        select=Step(by_value, {"lengths": lengths}),
        train=training(PROXY_TOKENS),
        evaluate=Step(vernier.evaluate.Loss(max_tokens=FIRST), {"corpus": text, "selection": "tune"}),
        domains=TARGET,
        accept=accept,
    )
    even = vernier.score.Combine(terms=TERMS, clip=CLIP)
    recipe.add("even", even, corpus=text, within="pool", scores=[surface])
    keep = recipe.add("keep", by_value, corpus=text, within="pool", a=mixed, lengths=lengths)
    whole = training(TOKENS)
    model = recipe.add("train", whole.plugin, corpus=text, selection=keep, **whole.inputs)
    recipe.add("test", vernier.evaluate.Loss(max_tokens=FIRST), model=model, corpus=text, selection="held")

    recipe.arm("meta_rater")
    recipe.arm("even_weights", keep={"in": {"a": "even"}})
    for name, draw in (("random", 0), ("random2", 1)):
        lot = vernier.select.Random(keep=Budget(share=0.5, of="tokens"), draw=draw)
        recipe.arm(name, keep=recipe.stage(lot, corpus=text, within="pool", lengths=lengths))
    return recipe


if __name__ == "__main__":
    vernier.run(build(accept="--accept" in sys.argv[1:]))
