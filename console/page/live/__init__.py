"""The present, sent once a second: one frame for everybody, and the stream that carries it."""
