"""From stored documents and points to words, rows and pictures. Reads through a ``Reader``; changes nothing."""
