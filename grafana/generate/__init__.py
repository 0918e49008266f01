"""Dashboards and alert rules as code: ``uv run python -m grafana.generate`` writes the committed JSON and YAML.

``boards`` has one module a dashboard, ``alerts`` the rules, ``parts`` what both are made of. A test says that what is
committed is what this generates.
"""
