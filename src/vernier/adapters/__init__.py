"""Vernier's plugins as steps of other tools: `adapters.datasets` (Hugging Face), `adapters.datatrove`.

Each is a thin shell around `adapters.outside`, and none imports the tool that it serves before it is used.
"""
