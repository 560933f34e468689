"""Settings and their defaults: one dataclass for each part of the system."""
