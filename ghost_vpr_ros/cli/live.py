"""Recognise places in the images of a folder, a video or a camera as they arrive.

On a terminal one line follows the images, and each change of the state leaves a line behind; in a
pipe each image is a JSON line. No ROS is needed; to publish the same images as a topic see
`image_publisher` in docs/node.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.model_options import add_engine_options
from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.cli.progress import say_warnings
from ghost_vpr_ros.cli.table import add_table_or_json_option, is_table
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.replay.config import LiveConfig
from ghost_vpr_ros.replay.output_files import without_nan

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Hypothesis

COMMON_OPTIONS = (
    *('--map', '--model', '--rate-hz', '--count', '--json', '--min-probability'),
    *('--engine', '--device'),
)
"""Shown by `--help`; the others by `--help-all`."""

_HEADER = f'{"image":<24} {"state":<14} {"probability":>11} {"of":>6} {"ms":>5}  place, or missing'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'source', metavar='SOURCE', help='folder, video file, or camera such as /dev/video0'
    )
    parser.add_argument(
        '--map', required=True, type=Path, help='map to search, or address of a shared map'
    )
    parser.add_argument('--model', metavar='WEIGHTS', help='weights that made the map')
    add_table_or_json_option(parser)
    add_settings(parser, LiveConfig)
    add_settings(parser, RecognizerConfig)
    add_settings(parser, ImageConfig)
    add_engine_options(parser)


def run(args: argparse.Namespace) -> int:
    """Answer until the images end, the count is reached, or Ctrl-C."""
    from ghost_vpr_ros.core.datatypes import loaded_at_least
    from ghost_vpr_ros.core.image_stream import stream_images
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer

    live = config_from(args, LiveConfig)
    limits = config_from(args, ImageConfig)
    images = stream_images(args.source, live.rate_hz, limits)
    table = LiveTable()
    with PlaceRecognizer.open(
        args.map, args.model, config_from(args, EngineConfig), config_from(args, RecognizerConfig)
    ) as recognizer:
        say_warnings(recognizer.place_map)
        for image in islice(images, live.count or None):
            try:
                answer = recognizer.recognize(
                    loaded_at_least(image.load, recognizer.least_side_px), image.stamp_ns
                )
            except ImageError as error:
                table.leave(f'{image.name}: {error}')
                continue
            if is_table(args):
                table.show(image.name, answer)
            else:
                print(json.dumps(without_nan(values_of(image.name, answer))), flush=True)
    table.end()
    return 0


class LiveTable:
    """A line that is updated with each answer; lines at changes of state are kept."""

    def __init__(self) -> None:
        self._state = ''
        self._is_open = False

    def show(self, image: str, answer: Hypothesis) -> None:
        """Overwrite the last line with an answer, or start a new line if the state changed."""
        if not self._state:
            print(_HEADER)
        if self._state != answer.state.value:
            self.end()
        self._state = answer.state.value
        self._is_open = True
        if sys.stdout.isatty():
            # A wrapped line could not be overwritten.
            line = live_line(image, answer, shutil.get_terminal_size().columns - 1)
            print(f'\r\x1b[K{line}', end='', flush=True)
        else:
            print(live_line(image, answer), end='', flush=True)
            self.end()

    def leave(self, text: str) -> None:
        """Print a message on its own line."""
        self.end()
        print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Keep the current line."""
        if self._is_open:
            print(flush=True)
        self._is_open = False


def live_line(image: str, answer: Hypothesis, width: int | None = None) -> str:
    """The columns of `_HEADER`, at most `width` characters; names are shortened at the start."""
    values = values_of(image, answer)
    cells = [
        '-' if values[name] is None else f'{values[name]:.3f}'
        for name in ('probability', 'min_probability')
    ]
    took_ms = sum(answer.stage_ms.values())
    columns = f'{image[-24:]:<24} {values["state"]:<14} {cells[0]:>11} {cells[1]:>6}'
    columns += f' {took_ms:>5.0f}  '
    if values['missing']:
        return f'{columns}{values["missing"]}'[:width]
    place = f'{values["session"]}/{str(values["keyframe"]).lstrip("/")}'
    left = len(place) if width is None else max(width - len(columns), 0)
    return f'{columns}{place[max(len(place) - left, 0) :]}'[:width]


def values_of(image: str, answer: Hypothesis) -> dict[str, Any]:
    """The printed values of an answer; unknown ones are None."""
    from ghost_vpr_ros.core.recognition.decision import missing_text

    best = answer.candidates[0] if answer.candidates else None
    values = {
        'image': image,
        'stamp_ns': answer.stamp_ns,
        'state': answer.state.value,
        'reason': answer.reason.value,
        'session': best and best.keyframe.session,
        'keyframe': best and best.keyframe.name,
        'similarity': best and best.similarity,
        'probability': best and best.probability,
        'min_probability': answer.min_probability,
        'missing': missing_text(answer),
    }
    return dict(without_nan(values))
