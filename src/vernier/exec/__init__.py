"""Where work runs: a map over items on worker processes, and the view of its progress. Knows no documents."""
