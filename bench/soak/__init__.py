"""Whether the outbox loses or doubles a row while server and parts fail at random; ``python -m bench.soak`` runs it."""
