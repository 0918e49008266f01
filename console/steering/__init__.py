"""What a person tells the enforcer: overrides, limits, the pause; carried out in the store and answered in words."""
