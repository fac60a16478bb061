"""One pass over the bytes of each text, compiled: what `score.signals` counts. Imported when it runs, never before."""
