"""The fault campaign, run by `make faults`. Never installed."""
