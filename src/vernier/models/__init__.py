"""Models: load, build, measure."""
