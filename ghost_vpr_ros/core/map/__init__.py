"""The map of one robot: keyframes in one SQLite file."""
