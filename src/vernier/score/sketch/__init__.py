"""The compiled pass of `score.minhash`."""
