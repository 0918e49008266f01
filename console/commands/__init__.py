"""The commands of ``autoqos``, one module a subject; heavy libraries are imported when a command runs."""
