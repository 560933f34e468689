"""Show everything at work."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add."""


def run(args: argparse.Namespace) -> int:
    """Run."""
    return 0
