"""Data sets written anew from others; what there is is never moved, changed or deleted."""
