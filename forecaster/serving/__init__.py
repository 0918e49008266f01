"""Rounds and their schedule: read, train, score, publish; then forecast from the served model without training."""
