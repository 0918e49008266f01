"""Data volumes that must not be used up: what was used in the month, when the cap will be reached, the rest of today.

``period`` and ``projection`` are pure; ``usage`` reads a store; ``outlook`` puts them together for the settings;
``words`` says it.
"""
