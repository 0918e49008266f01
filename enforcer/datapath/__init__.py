"""The way of the packets: handles and threads around the queues, flow owners, timers. Decides nothing about rates."""
