"""What the shipper tells: its states, each once at its begin and at its end, and its figures every interval."""
