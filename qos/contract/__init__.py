"""What all parts agree on: points, documents, settings, schedules, reasons, units, errors. Pure: no file is read."""
