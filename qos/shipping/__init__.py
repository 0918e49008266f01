"""From the local store to InfluxDB: when to send what, one batch on its way, what became of it, and the client.

``schedule``, ``delivery``, ``outcomes`` and ``telling.episodes`` are sans-io; ``client`` is the one module that imports
influxdb_client. ``shipper`` sends raw rows, ``history`` the coarse ones, ``resend`` a span again; ``run`` is the part.
"""
