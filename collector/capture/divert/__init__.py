"""The ``divert`` backend (Windows; Linux as root): sniffed copies of packets, and flow events for their owners.

``attribution`` and ``flow_counts`` are pure; ``backend`` owns the threads. Handles come from ``qos.packets.divert``.
"""
