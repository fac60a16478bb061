"""How alike two texts are, by what they are made of: words in a row (shingles), or lines."""
