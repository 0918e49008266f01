"""Dashboards and alert rules as code: ``uv run python -m grafana.generate`` writes the committed JSON and YAML.

One module a dashboard; ``thresholds`` has the numbers that panels and alerts share; ``rules``
holds the alerts. A test says that what is committed is what this generates.
"""
