"""What the node loads before it answers: memory and seconds of a start on a robot."""

import subprocess
import sys

LATE = ('scipy', 'pyproj', 'torch', 'onnxruntime', 'openvino', 'matplotlib', 'PIL', 'pymilvus')
"""Engines, and what only some maps or other commands need."""


def test_the_node_imports_only_what_each_image_needs() -> None:
    program = (
        'import sys\n'
        'import ghost_vpr_ros.ros.lifecycle_node\n'
        f'print([name for name in {LATE} if name in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', program], check=True, capture_output=True)
    assert done.stdout.decode().strip() == '[]'
