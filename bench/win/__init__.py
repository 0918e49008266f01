"""Whether the important application wins: a call timed on lines that others fill; ``python -m bench.win`` runs it."""
