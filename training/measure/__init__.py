"""Measurement of networks by evaluation protocols."""
