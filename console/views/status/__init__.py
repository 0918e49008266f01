"""How the agent itself goes: parts, capture, store, outbox and cost."""
