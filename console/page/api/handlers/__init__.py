"""Who answers: one function per operation, from a ``Call`` to an ``Answer``; what cannot be raises ``Problem``."""
