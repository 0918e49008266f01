"""Round trips to targets: the prober sends them, ``statistics`` (pure) makes jitter and loss of them."""
