"""Figures that the papers print: data to compare with, never to be claimed."""
