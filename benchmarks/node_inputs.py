"""Map and images for the node's benchmarks: the user's, or the sample town's."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from benchmarks.machine import ROOT
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.image_stream import list_images

SIZE_PX = (640, 480)
NUM_IMAGES = 60


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the options for the node's map and images."""
    parser.add_argument('--map', type=Path, help='map file; default: the sample town')
    parser.add_argument('--images', type=Path, help='folder of query images, with --map')
    parser.add_argument(
        '--parameters',
        nargs='+',
        type=parameter,
        default=[],
        metavar='NAME:=VALUE',
        help='further parameters of the node, such as verify:=false',
    )


def parse_with_inputs(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """The command line; a usage error if only one of map and images is given."""
    options = parser.parse_args(arguments)
    if (options.map is None) != (options.images is None):
        parser.error('--map and --images: give both, or neither')
    return options


def make_inputs(options: argparse.Namespace, folder: Path) -> Path:
    """The folder of query images; sets `options.map`."""
    if options.map is None:
        options.map, options.images = make_town(folder, 20 if options.quick else 150)
    options.map = options.map.resolve()
    return write_vga_images(options.images, folder / 'images')


def write_vga_images(source: Path, folder: Path) -> Path:
    """Write the first images of `source` as PNG files of 640x480 px; returns the folder."""
    folder.mkdir()
    for number, path in enumerate(list_images(str(source))[:NUM_IMAGES]):
        rgb = cv2.resize(read_image(path), SIZE_PX, interpolation=cv2.INTER_LINEAR)
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f'{number:03d}.png'), bgr)
    return folder


def repeated_images(images: Path, times: int, folder: Path) -> Path:
    """A folder with every image so many times in a row: links, no copies; returns it."""
    found = folder / f'{images.name}_{times}'
    found.mkdir()
    for path in list_images(str(images)):
        for number in range(times):
            (found / f'{path.stem}_{number:03d}.png').hardlink_to(path)
    return found


def make_town(folder: Path, frames: int) -> tuple[Path, Path]:
    """Map of the sample town's first drive, images of its second."""
    town, place_map = folder / 'town', folder / 'town.map'
    command = [sys.executable, '-m', 'ghost_vpr_ros.cli.main']
    commands = (
        ['sample-town', str(town), '--frames', str(frames)],
        ['build-map', str(town / 'drive_0'), str(place_map)],
    )
    for words in commands:
        subprocess.run([*command, *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return place_map, town / 'drive_1' / 'images'


def parameter(text: str) -> tuple[str, str]:
    """Name and value of `name:=value`."""
    name, sign, value = text.partition(':=')
    if not (name and sign and value):
        raise argparse.ArgumentTypeError(f'expected NAME:=VALUE, found {text!r}')
    return name, value
