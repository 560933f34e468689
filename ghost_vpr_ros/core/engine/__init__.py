"""Engines that run the network: images in, descriptors out."""
