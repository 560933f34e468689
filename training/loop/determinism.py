"""Deterministic training."""

from __future__ import annotations

import os

import cv2
import torch


def make_deterministic(seed: int) -> None:
    """Seed PyTorch and make equal runs give bit-identical results."""
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    cv2.setNumThreads(1)  # Images are already read in several threads or processes.
