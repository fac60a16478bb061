"""States that a long unit of work keeps on the way, so that a kill costs only what came after the last one.

A state is a unit of the store like any other: written, synced and renamed before its done record, so it is there whole
or not at all. It is no artifact: no key is made of it, `prune` takes it away, and its files say the same whether a run
was killed or not. Stages whose settings differ only in what a state does not depend on share their states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vernier.core.artifact import ShardRef
from vernier.core.fingerprint import key_of
from vernier.core.store import Store


class States:
    """The states of one piece of work, and the lasting ones of others that share its beginning.

    key     that all of them share (see `pipeline.keys.states_key`); without one nothing is kept and nothing is found
    owner   the key of this work
    """

    def __init__(self, store: Store, key: str, owner: str) -> None:
        self._store, self._key, self._owner = store, key, owner

    def all(self) -> list[ShardRef]:
        """Every whole state that this work may begin from; `facts` are those it was kept with.

        Another's only if it lasts: whoever is still at work takes the others away as it goes on.
        """
        found = self._store.siblings(self._key) if self._key else []
        return [state for state in found if state.facts["lasting"] or self.owns(state)]

    def owns(self, state: ShardRef) -> bool:
        """Whether this work kept the state, now or before it was killed."""
        return state.facts["owner"] == self._owner

    def folder(self, state: ShardRef) -> Path:
        """Its files."""
        return self._store.local_folder(state)

    def keep(self, write: Callable[[Path], None], facts: Mapping[str, Any], *, lasting: bool) -> ShardRef | None:
        """Commit a state: `write` puts its files into an empty folder; `facts` are JSON values that name it.

        lasting   it stays when the work is done, for other work that begins there
        """
        if not self._key:
            return None
        facts = {**facts, "owner": self._owner, "lasting": lasting}
        with self._store.workspace() as folder:
            write(folder)
            return self._store.commit_unit(key_of("state", self._key, facts), folder, facts=facts, base=self._key)

    def discard(self, state: ShardRef) -> None:
        """Take a state away."""
        self._store.discard_unit(state.key, self._key)

    def finish(self) -> None:
        """Take away what this work no longer wants once it is committed, and what a kill left of a state."""
        for key in self._store.keys_under(self._key) if self._key else ():
            state = self._store.unit(key)
            if state is None or (self.owns(state) and not state.facts["lasting"]):
                self._store.discard_unit(key, self._key)
