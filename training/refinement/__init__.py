"""Batches of places, several views of each: the network learns to tell them apart."""
