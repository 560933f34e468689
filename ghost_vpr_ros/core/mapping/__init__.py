"""Building a map while driving."""
