"""The configuration: models with their defaults, and ``config.yaml``'s text read into them. Pure.

The file itself is found and read by ``qos.service.config_file``.
"""

from qos.contract.config.models import (
    LEVELS,
    AppRule,
    CollectorConfig,
    Config,
    EnforcerConfig,
    ForecastConfig,
    InfluxConfig,
    LevelConfig,
    Link,
    ModelName,
    PageConfig,
    Retention,
)
from qos.contract.config.quota import QuotaConfig
from qos.contract.config.text import DEFAULT_NAME, parse_config

__all__ = [
    "DEFAULT_NAME",
    "LEVELS",
    "AppRule",
    "CollectorConfig",
    "Config",
    "EnforcerConfig",
    "ForecastConfig",
    "InfluxConfig",
    "LevelConfig",
    "Link",
    "ModelName",
    "PageConfig",
    "QuotaConfig",
    "Retention",
    "parse_config",
]
