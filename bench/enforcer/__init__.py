"""Benchmarks of the enforcer with real packets; ``python -m bench.enforcer`` runs them, one module per question."""
