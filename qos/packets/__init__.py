"""Packets and flows: headers from raw bytes, who owns a port (both pure), and ``divert/``, the one pydivert owner."""
