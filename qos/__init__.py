"""The foundation: configuration, points, stores, flows, application identity. Imports nothing of the other packages."""

__version__ = "0.1.0"
