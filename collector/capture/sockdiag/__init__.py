"""The ``sockdiag`` backend (Linux without rights): TCP's own byte counters, owners as far as ``/proc`` lets."""
