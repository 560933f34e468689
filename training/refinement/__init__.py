"""Refinement on places, with several views of each place per batch."""
