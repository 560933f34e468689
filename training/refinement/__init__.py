"""Refinement on places: batches with several views of each place."""
