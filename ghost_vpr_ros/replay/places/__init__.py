"""Places of own or published data: images with positions, their roles, visits and positives."""
