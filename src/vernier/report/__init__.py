"""The report of a run: one HTML file that answers the question, with its conditions, and needs nothing else."""
