"""Optional packages and the commands that install them.

`pip install ghost_vpr_ros[...]` would bring PyTorch along, gigabytes that a robot which runs
another engine does without. So a hint names the missing package alone.
"""

from __future__ import annotations

_PIP = {
    'PIL': 'pillow',
    'cv2': 'opencv-python-headless',
    'faiss': 'faiss-cpu',
    'gtsam': 'gtsam',
    'h5py': 'h5py',
    'jinja2': 'jinja2',
    'matplotlib': 'matplotlib',
    'numpy': 'numpy',
    'onnx': 'onnx',
    'onnxruntime': 'onnxruntime',
    'openvino': 'openvino',
    'pillow_heif': 'pillow-heif',
    'pymilvus': 'pymilvus milvus-lite',
    'pyproj': 'pyproj',
    'rosbags': 'rosbags rosbags-image',
    'safetensors': 'safetensors',
    'scipy': 'scipy',
    'torchvision': 'torchvision',
    'tqdm': 'tqdm',
}
"""What pip calls a module, with what is needed beside it."""

_TORCH = 'install it with pip install torch, or do this on a machine that has it'


def how_to_install(module: str) -> str | None:
    """What to do about a module that is missing; None for one that is none of ours to name.

    PyTorch is missing here only where nothing else would do: an engine that another one can stand
    in for names that one (`core.engine`).
    """
    top = module.partition('.')[0]
    if top == 'torch':
        return _TORCH
    return f'install it with pip install {_PIP[top]}' if top in _PIP else None


def name_of(module: str) -> str:
    """The usual name of a module."""
    top = module.partition('.')[0]
    return 'PyTorch' if top == 'torch' else top
