"""A data set small enough to train on in a test: places 100 m apart, seen twice each."""

from pathlib import Path

import cv2
import numpy as np

METRES_PER_DEGREE = 111_195.0
EXPERIMENT = """
seed: 3
preprocessing: {{width_px: 64, height_px: 64}}
model: {{crop_channels: 160, clusters: 4, dilation: [1, 1]}}
data:
  train: {{path: [{root}], split: train}}
  val: {{path: [{root}], split: val}}
optimiser: {{learning_rate: 0.0003, largest_gradient: 0.1}}
mining: {{random_negatives: 6, hard_negatives: 3, refresh_queries: 6}}
loss: {{margin: 2.0}}
schedule: {{epochs: 2, tuples_per_batch: 2, checkpoint_every_steps: 1, log_every_steps: 1}}
augmentation: {{}}
"""


def write_places(root: Path, places: int = 12) -> Path:
    """Images and manifest.csv; every place has two noisy views 5 m apart, half of them train."""
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = ['image,latitude,longitude,split,role']
    for place in range(places):
        scene = cv2.resize(rng.integers(0, 255, (6, 6, 3), np.uint8), (64, 64))
        for view in range(2):
            noisy = np.clip(scene + rng.normal(0, 20, scene.shape), 0, 255).astype(np.uint8)
            name = f'{place:02d}_{view}.png'
            assert cv2.imwrite(str(root / name), noisy)
            latitude = 50.0 + (100.0 * place + 5.0 * view) / METRES_PER_DEGREE
            split = 'train' if place < places * 2 // 3 else 'val'
            role = ('query', 'database')[view]
            lines.append(f'{name},{latitude:.9f},4.0,{split},{role}')
    (root / 'manifest.csv').write_text('\n'.join(lines) + '\n')
    return root


def write_experiment(folder: Path, text: str = EXPERIMENT) -> Path:
    """A YAML file beside the images, which are made where they are missing."""
    root = folder / 'places'
    if not root.exists():
        write_places(root)
    config = folder / 'experiment.yaml'
    config.write_text(text.format(root=root))
    return config
