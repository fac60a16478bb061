"""The floor that everything stands on: artifacts, keys, the store, recipes. Never imports torch."""
