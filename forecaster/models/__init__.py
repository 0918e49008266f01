"""The models: history in, quantile paths out. No store, file, clock, thread or process; training is handed in."""
