"""Readers of the field's data sets; every one returns a `PlaceSet`."""
