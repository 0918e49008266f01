"""Who may speak to the page, and where it listens: the loopback socket, codes, tokens, the guard of requests."""
