"""Figures as SVG, by our own few functions: no script, no font, nothing from a network, colours that the page names."""
