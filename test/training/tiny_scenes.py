"""Scenes of two classes that differ by their colour, small enough to train on in a test."""

from pathlib import Path

import cv2
import numpy as np

SETTINGS = """
seed: 3
preprocessing: {width_px: 96, height_px: 64}
model: {crop_channels: 160, clusters: 4, dilation: [1, 1]}
classification:
  folders: [FOLDER]
  crop_px: 32
  image_px: 32
  epochs: 12
  batch_size: 7
  log_every: 4
  checkpoint_every: 10
augmentation: {photometric: 0.2, night: 0, grey: 0, blur: 0}
"""
COLOURS_BGR = {'brick': (40, 60, 200), 'water': (200, 120, 40)}
TRAIN_IMAGES, VAL_IMAGES = 12, 4


def write_scenes(folder: Path) -> Path:
    """The experiment's YAML file, beside its images."""
    generator = np.random.default_rng(0)
    for part, count in (('train', TRAIN_IMAGES), ('val', VAL_IMAGES)):
        for name, colour in COLOURS_BGR.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.array(colour) + generator.normal(0, 20, (40, 48, 3))
                image = pixels.clip(0, 255).astype(np.uint8)
                assert cv2.imwrite(str(folder / part / name / f'{number}.png'), image)
    path = folder / 'experiment.yaml'
    path.write_text(SETTINGS.replace('FOLDER', str(folder)))
    return path
