"""The real node for the demonstration: three processes connected by Fast DDS.

The command line must not import rclpy, so node, camera and listener are started as processes of
their own, as a user would start them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NODE_MODULE = 'place_recognition_node'
_PROFILE = Path('config') / 'fastdds_large_images.xml'
_START_TIMEOUT_S = 120.0
_SILENCE_S = 3.0
_POLL_S = 0.2
_END_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class NodeRun:
    """The result of the run.

    Attributes:
        published: names of the images that were sent to the node.
        answers: `~/status` as key and value by the name of the image; lost ones are missing.
        problem: one sentence where something did not work, else empty.
    """

    published: list[str]
    answers: dict[str, dict[str, str]]
    problem: str


def ros_is_missing() -> bool:
    """Whether this Python has no rclpy."""
    return importlib.util.find_spec('rclpy') is None


def run_node(map_path: Path, images: Path, rate_hz: float, folder: Path) -> NodeRun:
    """Start listener, node and camera; end them all when the last answer has come.

    Args:
        map_path: map that the node opens.
        images: folder of the images that are published in the order of their names.
        rate_hz: images a second.
        folder: for the logs, `images.jsonl` and `answers.jsonl`.
    """
    sent_file, answer_file = folder / 'images.jsonl', folder / 'answers.jsonl'
    for file in (sent_file, answer_file):
        file.unlink(missing_ok=True)
    sending = {
        'source': str(images),
        'rate_hz': f'{rate_hz:.3f}',
        'wait_for_subscribers': '1',
        'json_out': str(sent_file),
    }
    with ExitStack() as stack:
        _start(stack, folder, 'tools.answer_printer', {'json_out': str(answer_file)})
        # Single pictures from all over the map: none is related to the next.
        node = _start(stack, folder, NODE_MODULE, {'map': str(map_path), 'temporal': 'none'})
        camera = _start(stack, folder, 'tools.image_publisher', sending)
        length_s = len(list(images.iterdir())) / rate_hz
        problem = _wait(camera, node, _START_TIMEOUT_S + length_s, folder)
        if not problem:
            _wait_for_silence(answer_file, max(_SILENCE_S, 2.0 / rate_hz))
    published, answers = match_answers(_read_lines(sent_file), _read_lines(answer_file))
    if not problem and not answers:
        problem = f'no answer came; see the logs in {folder}'
    return NodeRun(published, answers, problem)


def match_answers(
    sent: Sequence[Mapping[str, Any]], answers: Sequence[dict[str, str]]
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Names of all images sent, and the answers by name, matched by their stamps.

    Args:
        sent: `image` and `stamp_ns` of each published image.
        answers: values of each `~/status`.
    """
    answer_at = {int(answer['stamp_ns']): answer for answer in answers}
    found = {
        str(line['image']): answer_at[line['stamp_ns']]
        for line in sent
        if line['stamp_ns'] in answer_at
    }
    return [str(line['image']) for line in sent], found


def _start(
    stack: ExitStack, folder: Path, module: str, parameters: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a module of the node's package; it is stopped when the stack is closed."""
    command = [sys.executable, '-m', f'ghost_vpr_ros.ros.{module}', '--ros-args']
    for parameter, value in parameters.items():
        command += ['-p', f'{parameter}:={value}']
    name = module.rpartition('.')[2]
    log = stack.enter_context((folder / f'{name}.log').open('wb'))
    process = subprocess.Popen(
        command,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=node_environment(),
        start_new_session=True,
    )
    stack.callback(_end, process)
    return process


def node_environment() -> dict[str, str]:
    """A separate ROS domain, local to this machine, whose transport carries large images."""
    environment = dict(os.environ)
    environment['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    environment['PYTHONUNBUFFERED'] = '1'
    profile = fastdds_profile()
    if profile is not None:
        environment['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(profile)
        environment['FASTDDS_DEFAULT_PROFILES_FILE'] = str(profile)
    return environment


def fastdds_profile() -> Path | None:
    """The Fast DDS profile of this package, in the repository or installed."""
    repository = Path(__file__).parents[2]
    installed = Path(sysconfig.get_path('data')) / 'share' / 'ghost_vpr_ros'
    places = [root / _PROFILE for root in (repository, installed)]
    return next((place for place in places if place.is_file()), None)


def _wait(
    camera: subprocess.Popen[bytes], node: subprocess.Popen[bytes], timeout_s: float, folder: Path
) -> str:
    """Wait until the camera has sent all images; returns an error message otherwise."""
    end_s = time.monotonic() + timeout_s
    while camera.poll() is None and time.monotonic() < end_s:
        if node.poll() is not None:
            log = folder / f'{NODE_MODULE}.log'
            return f'the node ended with exit status {node.returncode}; see {log}'
        _give_time(camera, _POLL_S)
    if camera.poll() is None:
        return f'the node took no images within {timeout_s:.0f} s; see the logs in {folder}'
    if camera.returncode != 0:
        return f'the image publisher failed; see {folder / "tools.image_publisher.log"}'
    return ''


def _wait_for_silence(file: Path, silence_s: float) -> None:
    """Return when the file of answers no longer grows."""
    size, last_s = -1, time.monotonic()
    while time.monotonic() - last_s < silence_s:
        now = file.stat().st_size if file.is_file() else 0
        if now != size:
            size, last_s = now, time.monotonic()
        time.sleep(_POLL_S)


def _give_time(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process with SIGTERM, or with SIGKILL if it does not stop in time."""
    if process.poll() is None:
        process.terminate()
        _give_time(process, _END_TIMEOUT_S)
    if process.poll() is None:
        process.kill()
        process.wait()


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
