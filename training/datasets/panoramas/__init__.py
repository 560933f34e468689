"""Perspective views of equirectangular panoramas."""
