"""From the local store to InfluxDB: when to send what, one batch on its way, what became of it, and the client.

``schedule``, ``delivery`` and ``outcomes`` are sans-io; ``client`` is the one module that imports influxdb_client.
"""
