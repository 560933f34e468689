"""The layers after the trunk: initialisation, whitening, label maps."""
