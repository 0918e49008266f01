"""Letting packets go: a watchdog process for when the enforcer dies or is stopped, and what a dead one left behind."""
