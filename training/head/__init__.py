"""The part behind the trunk: starting values, whitening, semantics."""
