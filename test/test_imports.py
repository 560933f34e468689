"""Every source file keeps the rules of the house: layers, sizes, names, no printing library."""

from pathlib import Path

import pytest

from test.source_rules import broken_rules

ROOT = Path(__file__).parent.parent
FOLDERS = ('ghost_vpr_ros', 'training', 'test', 'benchmarks', 'faults', 'launch')
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob('*.py'))


def module_name(path: Path) -> str:
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts)


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_keeps_the_rules(path: Path) -> None:
    assert broken_rules(path.read_text(encoding='utf-8'), module_name(path)) == []


CORE = 'ghost_vpr_ros.core.map.place_map'
PLANTED = [
    (CORE, 'import rclpy'),
    (CORE, 'from sensor_msgs.msg import Image'),
    (CORE, 'from rosbags.highlevel import AnyReader'),
    (CORE, 'import argparse'),
    (CORE, 'import matplotlib.pyplot'),
    (CORE, 'from urllib.request import urlopen'),
    (CORE, 'from ghost_vpr_ros.replay import manifest'),
    (CORE, 'from ...replay import manifest'),
    (CORE, 'from ghost_vpr_ros import cli'),
    (CORE, 'def f():\n    from training import loss'),
    (CORE, 'print(1)'),
    (CORE, 'import sys\nsys.exit(1)'),
    (CORE, 'raise SystemExit(1)'),
    (CORE, 'import torch\ntorch.set_num_threads(1)'),
    (CORE, 'import torch\ntorch.backends.cudnn.benchmark = True'),
    (CORE, 'import pickle'),
    (CORE, 'try:\n    pass\nexcept:\n    pass'),
    (CORE, 'def f():\n' + '    x = 1\n' * 51),
    (CORE, 'x = 1\n' * 501),
    (CORE, 'from ghost_vpr_ros.core.search.index import SearchIndex'),
    (CORE, 'from ghost_vpr_ros.core.engine import create_engine'),
    (CORE, 'from ghost_vpr_ros.core import recognizer'),
    ('ghost_vpr_ros.core.recognition.decision', 'def f():\n    import ghost_vpr_ros.core.mapping'),
    ('ghost_vpr_ros.core.poses', 'from ghost_vpr_ros.core.geodesy import LocalFrame'),
    ('ghost_vpr_ros.core.garage', ''),
    ('ghost_vpr_ros.core.image_utils', ''),
    ('ghost_vpr_ros.core.common', ''),
    ('ghost_vpr_ros.replay.bags.reader', 'import rclpy'),
    ('ghost_vpr_ros.replay.bags.reader', 'from ghost_vpr_ros.cli import main'),
    ('ghost_vpr_ros.ros.conversions', 'from rosbags.highlevel import AnyReader'),
    ('ghost_vpr_ros.ros.conversions', 'import rosbags'),
    ('ghost_vpr_ros.ros.conversions', 'from ghost_vpr_ros.replay import manifest'),
    ('ghost_vpr_ros.ros.place_recognition_node', 'import argparse'),
    ('ghost_vpr_ros.cli.doctor', 'import rclpy'),
    ('ghost_vpr_ros.cli.doctor', 'from ghost_vpr_ros.ros import conversions'),
    ('ghost_vpr_ros.cli.doctor', 'from training import train'),
    ('training.train', 'from ghost_vpr_ros.ros import conversions'),
    ('training.train', 'import rclpy'),
]


@pytest.mark.parametrize(('module', 'source'), PLANTED)
def test_planted_violation_is_found(module: str, source: str) -> None:
    assert len(broken_rules(source, module)) >= 1


ALLOWED = [
    (CORE, 'import sqlite3\nimport numpy as np\nimport torch.nn\nimport cv2, faiss'),
    (CORE, 'from ghost_vpr_ros.core.errors import MapError\nfrom .. import errors'),
    (CORE, 'from . import schema\nfrom ghost_vpr_ros.core.map.file import explained'),
    ('ghost_vpr_ros.core.mapping.mapper', 'from ghost_vpr_ros.core import recognizer'),
    (CORE, 'from ghost_vpr_ros import __version__'),
    ('ghost_vpr_ros.replay.bags.reader', 'from rosbags.highlevel import AnyReader'),
    ('ghost_vpr_ros.ros.conversions', 'from rosbags.image import message_to_cvimage'),
    ('ghost_vpr_ros.ros.conversions', 'from diagnostic_msgs.msg import DiagnosticStatus'),
    ('ghost_vpr_ros.cli.doctor', 'import argparse\nfrom tqdm import tqdm\nprint(1)'),
    ('training.train', 'import torchvision\nfrom ghost_vpr_ros.core import config'),
]


@pytest.mark.parametrize(('module', 'source'), ALLOWED)
def test_allowed_source_passes(module: str, source: str) -> None:
    assert broken_rules(source, module) == []
