"""Which document is a copy of which: candidates by equal keys, sorted outside memory, and each pair looked at."""
