"""Checks of data sets; each finding is a sentence with the next step."""
