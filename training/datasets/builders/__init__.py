"""Data sets written from other ones, which are never moved, changed or deleted."""
