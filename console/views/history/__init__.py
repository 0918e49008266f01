"""Stored points over a period: any measurement, and what each application moved."""
