"""Equal runs give equal bits."""

from __future__ import annotations

import os

import cv2
import torch


def make_deterministic(seed: int) -> None:
    """Let everything random follow from the seed, and equal runs give equal bits."""
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    cv2.setNumThreads(1)  # Images are read in threads or processes of our own.
