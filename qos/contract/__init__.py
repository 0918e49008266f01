"""What all parts agree on: points, configuration, units, errors. Pure but for reading ``config.yaml`` and ``.env``."""
