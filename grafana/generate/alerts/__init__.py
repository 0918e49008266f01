"""The alert rules: what must hold for how long, and the words that say who and what."""
