"""``autoqos top``: the live window in a terminal, and its one-shot forms."""
