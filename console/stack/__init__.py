"""The InfluxDB and Grafana containers beside the agent: the secrets that docker-compose.yml needs."""
