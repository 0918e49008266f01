"""Which application a process is, which rule matches it, which priority and limits follow, and why. Pure.

Used by collector, enforcer and console alike, so that all give one answer.
"""
