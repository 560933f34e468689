"""Describing many images, in processes and with a store on disk."""
