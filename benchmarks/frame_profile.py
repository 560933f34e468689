"""Time of the stages of one frame, from a compressed image message to the published hypothesis.

    python -m benchmarks.frame_profile --out frame.json
    python -m benchmarks.frame_profile --map town.map --images town/drive_1/images --out frame.json

The node's frame processor answers 640x480 JPEG messages with real publishers in one process,
without transport between processes. Before each frame the bare engine describes the same image
under the same load, so their ratio shows the cost of the other stages.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage

from benchmarks.command_line import new_parser, new_report, words_of, write_report
from benchmarks.machine import cores, load_average, restart_with
from benchmarks.node_inputs import SIZE_PX, add_inputs, make_inputs, parse_with_inputs
from benchmarks.recall_over_time.other_work import OTHERS, measure_and_report
from ghost_vpr_ros.core.datatypes import Hypothesis
from ghost_vpr_ros.core.engine import create_engine, leaves_a_core
from ghost_vpr_ros.core.image import encode_jpeg, read_image
from ghost_vpr_ros.core.image_stream import list_images
from ghost_vpr_ros.core.preprocessing import pixel_batch
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.ros.answer_publishers import AnswerPublishers
from ghost_vpr_ros.ros.conversions import header_at
from ghost_vpr_ros.ros.frame_processor import FrameProcessor, ReceivedImage
from ghost_vpr_ros.ros.fresh_answers import FreshAnswers
from ghost_vpr_ros.ros.image_conversions import compressed_message
from ghost_vpr_ros.ros.node_statistics import Statistics
from ghost_vpr_ros.ros.parameters import NodeParameters
from ghost_vpr_ros.ros.place_recognition_node import OPENMP_DEFAULTS
from ghost_vpr_ros.ros.recognition import open_map_and_model

MODULE = 'benchmarks.frame_profile'
FRAME_NS = 33_333_333
WARM_UP_ROUNDS = 1


@dataclass(frozen=True)
class Variant:
    """Parameters of the node."""

    name: str
    parameters: tuple[str, ...]


VARIANTS = tuple(
    Variant(f'{precision}, {"verified" if verify else "not verified"}, {threads}', settings)
    for precision in ('float32', 'half')
    for verify in (True, False)
    for threads, number in (('one thread', 1), ('all cores', cores()))
    for settings in [
        (
            f'inference_precision:={precision}',
            f'verify:={str(verify).lower()}',
            f'inference_threads:={number}',
        )
    ]
)


class LocalRecognizer:
    """The recogniser with the frame processor's interface, without odometry and fixes."""

    def __init__(self, recognizer: PlaceRecognizer) -> None:
        self._recognizer = recognizer

    def recognize(self, image: NDArray[np.uint8], stamp_ns: int) -> Hypothesis:
        """The hypothesis for one image."""
        return self._recognizer.recognize(image, stamp_ns)

    def reset(self) -> None:
        """Reset the state of earlier answers."""
        self._recognizer.reset()

    @property
    def least_side_px(self) -> int:
        """Smallest useful side of images."""
        return self._recognizer.least_side_px

    @property
    def map_revision(self) -> int:
        """Revision of the map."""
        return self._recognizer.place_map.revision


class Bench:
    """One variant of the node, ready to be timed."""

    def __init__(self, variant: Variant, number: int, place_map: Path) -> None:
        """Open map and network, activate the publishers."""
        given = [f'map:={place_map}', *variant.parameters]
        words = ['--ros-args', *(part for each in given for part in ('-p', each))]
        self.node = LifecycleNode(f'frame_profile_{number}', cli_args=words)
        parameters = NodeParameters(self.node, lambda: True, lambda _: None)
        loaded = open_map_and_model(parameters)
        self.engine = create_engine(loaded.model, parameters.engine)
        self.preprocessing = loaded.model.preprocessing
        self.recognizer = PlaceRecognizer(
            loaded.model,
            self.engine,
            loaded.place_map,
            parameters.recognizer,
            features_ahead=leaves_a_core(parameters.engine),
        )
        publishers = AnswerPublishers(self.node, loaded.place_map, parameters.node.map_frame)
        self.processor = FrameProcessor(
            LocalRecognizer(self.recognizer),
            publishers,
            Statistics(),
            self.node.get_clock(),
            self.node.get_logger(),
            lambda: parameters.node,
            FreshAnswers(),
        )
        self.node.trigger_configure()
        self.node.trigger_activate()

    def frame(self, message: CompressedImage, pixels: NDArray[np.uint8]) -> dict[str, float]:
        """Milliseconds of the bare engine, of the whole frame, and of its stages."""
        started = time.perf_counter()
        self.engine.describe(pixels)
        between = time.perf_counter()
        hypothesis = self.processor.process(ReceivedImage(message, time.monotonic_ns()))
        ended = time.perf_counter()
        whole_ms = (ended - between) * 1000.0
        rest_ms = whole_ms - sum(hypothesis.stage_ms.values())
        return {
            'bare engine': (between - started) * 1000.0,
            'whole frame': whole_ms,
            **hypothesis.stage_ms,
            'publish and the rest': rest_ms,
        }

    def close(self) -> None:
        """Close the recogniser and the node."""
        self.recognizer.close()
        self.node.destroy_node()


def measure_variant(
    variant: Variant, number: int, place_map: Path, folder: Path, rounds: int
) -> dict[str, Any]:
    """A row of the report: medians over the frames of all rounds but the first."""
    bench = Bench(variant, number, place_map)
    images = [read_image(path) for path in list_images(str(folder))]
    jpegs = [encode_jpeg(image) for image in images]
    pixels = [pixel_batch(image, bench.preprocessing) for image in images]
    frames: list[dict[str, float]] = []
    start_ns = time.time_ns()
    for count in range((WARM_UP_ROUNDS + rounds) * len(images)):
        place = count % len(images)
        header = header_at(start_ns + count * FRAME_NS, 'camera')
        frames.append(bench.frame(compressed_message(jpegs[place], header), pixels[place]))
    frames = frames[WARM_UP_ROUNDS * len(images) :]
    engine = bench.engine.name
    bench.close()
    return {
        'variant': variant.name,
        'engine': engine,
        'frames': len(frames),
        'load': load_average(),
        **summary(frames),
    }


def summary(frames: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Medians of the stages (0 for frames without a stage), and of the ratio by frame."""
    names = list(dict.fromkeys(name for frame in frames for name in frame))
    medians = {n: float(np.median([frame.get(n, 0.0) for frame in frames])) for n in names}
    ratios = [frame['whole frame'] / frame['bare engine'] for frame in frames]
    whole = [frame['whole frame'] for frame in frames]
    return {
        'median_ms': medians,
        'p95_ms': float(np.percentile(whole, 95)),
        'ratio': float(np.median(ratios)),
    }


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add_inputs(parser)
    parser.add_argument('--rounds', type=int, default=5, help='over 60 images, after a warm-up')
    parser.add_argument('--out', type=Path, required=True, help='JSON file for the results')
    parser.add_argument('--quick', action='store_true', help='the first variant, one round')
    options = parse_with_inputs(parser, arguments)
    options.variants = VARIANTS[:1] if options.quick else VARIANTS
    options.rounds = 1 if options.quick else options.rounds
    return options


def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """A row for each variant."""
    images = make_inputs(options, folder)
    further = tuple(f'{name}:={value}' for name, value in options.parameters)
    rows = []
    for number, variant in enumerate(options.variants):
        changed = Variant(variant.name, (*variant.parameters, *further))
        rows.append(measure_variant(changed, number, options.map, images, options.rounds))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the report."""
    options = parse_arguments(arguments)
    # Like the node, which does not override variables that are set.
    defaults = {name: os.environ.get(name, value) for name, value in OPENMP_DEFAULTS.items()}
    restart_with(defaults, MODULE, words_of(arguments))
    started_s = time.monotonic()
    others = measure_and_report()
    rclpy.init(args=[])
    with tempfile.TemporaryDirectory() as name:
        rows = measure(options, Path(name))
    rclpy.try_shutdown()
    figures = {
        OTHERS: others,
        'size': '{}x{}'.format(*SIZE_PX),
        'seconds': round(time.monotonic() - started_s),
        'rows': rows,
    }
    write_report(options.out, new_report('frame', figures, MODULE, arguments))


if __name__ == '__main__':
    main()
