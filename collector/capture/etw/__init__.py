"""Bytes per process on Windows without a driver: Event Tracing for Windows (ETW), the system's own event log in memory.

The provider Microsoft-Windows-Kernel-Network reports every send and receive of TCP and UDP with its process. What is
pure (``layout``, ``parser``, ``flows``, ``attribution_check``) knows bytes and numbers only; ``structures`` are the
system's C structures; ``session`` runs one trace session over an API object; ``api_windows`` and ``counters_windows``
are the thin calls into Windows; ``canary`` sends known bytes over loopback; ``backend`` brings them together.
No driver, no packet and no payload is ever seen here.
"""
