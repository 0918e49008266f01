"""The HTTP API ``/api/v1``: one table of operations (``table``), from which requests are answered and described."""
