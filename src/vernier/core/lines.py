"""Rules that remove a line of a text: those of C4 and those of RefinedWeb, which RedStone takes over.

A text is cut at `\\n` and each line is judged by itself, so a rule that fires on one line says nothing of the next. A
word is what stands between white space, as in both sources. A line of white space alone holds no words and is not
judged. The first rule that fires, in the order of RULES, is the reason.

Sources: C4 (arXiv 1910.10683, section 2.2, and its released code), RefinedWeb (arXiv 2306.01116, appendix G.2),
RedStone (arXiv 2412.03398). Gopher (arXiv 2112.11446, A.1) has no rule of this kind: its lines that begin with a bullet
or end in an ellipsis count against the document.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vernier.core.errors import RecipeError, nearest

# C4: a period, an exclamation mark, a question mark or an end quotation mark; its code refuses three periods.
TERMINAL = (".", "!", "?", '"', "\u201d")
ELLIPSIS = "..."
# C4, section 2.2: notices that a page shows to everyone.
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
# RefinedWeb G.2 names the form ("3 likes"); which things are counted is ours.
_COUNTED = (
    "likes?|loves?|views?|shares?|comments?|repl(?:y|ies)|followers?|following|votes?|upvotes?|downloads?|posts?"
    "|retweets?|reposts?|reviews?|members?|subscribers?|reads?|items?|results?|photos?|points?"
)
COUNTER = re.compile(rf"\W*\d[\d.,]*\s?[kmb]?\+?\s+(?:{_COUNTED})\W*", re.IGNORECASE)
NUMERIC = re.compile(r"\d[\d\s.,]*")
# RedStone: "sign in", "sign up", "read more...", "items in cart"; where in the line each may stand: RefinedWeb G.2.
PATTERNS = (r"^sign[ -]?(?:in|up)\b", r"\bread more(?:\.\.\.|\u2026)?$", r"\bitems? in cart\b")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where the rules draw their lines.

    min_words       of a line, else `few_words`; C4: 5 (an earlier version of the paper: 3)
    upper_share     upper-case letters over characters above which a line is `upper_case`; RedStone: 0.6 (of which
                    characters is unconfirmed: here all but the white space around the line)
    pattern_words   most words of a line that a pattern removes; RefinedWeb: 10 (RedStone unconfirmed)
    word_chars      longest word, else `long_word`; C4's released code: 1000
    patterns        regular expressions, searched for in the line without the white space around it, in any case
    """

    min_words: int = 5
    upper_share: float = 0.6
    pattern_words: int = 10
    word_chars: int = 1000
    patterns: list[str] = field(default_factory=lambda: list(PATTERNS))

    def __post_init__(self) -> None:
        if not 0 <= self.upper_share <= 1:
            raise RecipeError("`upper_share` is a share", found=str(self.upper_share), expected="0 to 1")
        for name in ("min_words", "pattern_words", "word_chars"):
            if getattr(self, name) < 1:
                raise RecipeError(f"`{name}` is too small", found=str(getattr(self, name)), expected="1 or more")
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise RecipeError("a pattern is no regular expression", found=f"{pattern!r}: {error}") from error


Rule = Callable[[str, Sequence[str]], bool]  # the line without the white space around it, its words -> remove it?


def _rules(limits: Limits) -> dict[str, Rule]:
    """Every rule by its name, in the order in which they are asked."""
    # Compiled once and searched again for each line: a generator here would be used up by the first one.
    patterns = tuple(re.compile(pattern, re.IGNORECASE) for pattern in limits.patterns)

    def upper_case(line: str, words: Sequence[str]) -> bool:
        return sum(map(str.isupper, line)) > limits.upper_share * len(line)

    def pattern(line: str, words: Sequence[str]) -> bool:
        return len(words) <= limits.pattern_words and any(one.search(line) for one in patterns)

    return {
        "javascript": lambda line, words: "javascript" in line.lower(),
        "policy": lambda line, words: any(policy in line.lower() for policy in POLICIES),
        "long_word": lambda line, words: max(map(len, words)) > limits.word_chars,
        "numeric": lambda line, words: NUMERIC.fullmatch(line) is not None,
        "counter": lambda line, words: COUNTER.fullmatch(line) is not None,
        "pattern": pattern,
        "upper_case": upper_case,
        "single_word": lambda line, words: len(words) == 1,
        "few_words": lambda line, words: len(words) < limits.min_words,
        "no_terminal": lambda line, words: not line.endswith(TERMINAL) or line.endswith(ELLIPSIS),
    }


RULES = tuple(_rules(Limits()))
PRESETS: Mapping[str, tuple[str, ...]] = {
    "c4": ("javascript", "policy", "long_word", "few_words", "no_terminal"),
    "redstone": ("numeric", "counter", "pattern", "upper_case", "single_word"),
}


@dataclass(frozen=True)
class Judged:
    """What became of a text.

    text        without the removed lines; "" if no line with a word is left
    num_lines, num_words   of the text before, lines without a word not counted
    lines, words           removed, by rule
    """

    text: str
    num_lines: int
    num_words: int
    lines: Counter[str]
    words: Counter[str]


class Judge:
    """Some rules, ready to be asked."""

    def __init__(self, rules: Sequence[str], limits: Limits) -> None:
        wanted, every = names(rules), _rules(limits)
        self._rules = tuple((name, rule) for name, rule in every.items() if name in wanted)

    def reason(self, line: str) -> str | None:
        """Why a line is removed; None if it stays."""
        return self._reason(line.strip(), line.split())

    def judge(self, text: str) -> Judged:
        """A text without the lines that a rule removes. Lines of white space stay where they are."""
        kept: list[str] = []
        lines, words = Counter[str](), Counter[str]()
        num_lines = num_words = 0
        for line in text.split("\n"):
            found = line.split()
            num_lines += bool(found)
            num_words += len(found)
            reason = self._reason(line.strip(), found)
            if reason is None:
                kept.append(line)
            else:
                lines[reason] += 1
                words[reason] += len(found)
        if lines.total() == 0:
            return Judged(text, num_lines, num_words, lines, words)
        left = "\n".join(kept) if lines.total() < num_lines else ""
        return Judged(left, num_lines, num_words, lines, words)

    def _reason(self, line: str, words: Sequence[str]) -> str | None:
        if not words:
            return None
        return next((name for name, rule in self._rules if rule(line, words)), None)


def names(rules: Sequence[str]) -> set[str]:
    """The rules that names of rules and of presets stand for. Raises RecipeError for an unknown one, or for none."""
    found: set[str] = set()
    for name in rules:
        if name not in PRESETS and name not in RULES:
            raise RecipeError(
                f"there is no line rule {name!r}",
                expected=f"a preset ({', '.join(PRESETS)}) or a rule ({', '.join(RULES)})",
                do=nearest(name, [*PRESETS, *RULES]),
            )
        found |= set(PRESETS.get(name, (name,)))
    if not found:
        raise RecipeError("no line rule is named", expected="one at least", do=f"rules: [{next(iter(PRESETS))}]")
    return found
