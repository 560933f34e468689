"""Running `ghost-vpr` inside the test's process, and small sources to run it on."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.cli.main import main
from ghost_vpr_ros.core.image import encode_jpeg

UNTRAINED = ['--model', 'untrained']
TINY = [
    *(*UNTRAINED, '--width-px', '64', '--height-px', '64'),
    *('--clusters', '4', '--crop-channels', '160'),
]
"""A network that describes an image in milliseconds."""


@dataclass(frozen=True)
class Outcome:
    """Exit status and texts of one run."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of a known error; the test fails where it is not one line."""
        errors = [line for line in self.err.splitlines() if not line.startswith('note: ')]
        assert self.status == 1
        assert len(errors) == 1, self.err
        assert errors[0].startswith('ghost-vpr: error: ')
        return errors[0].removeprefix('ghost-vpr: error: ')


class Program:
    """`ghost-vpr` with its arguments as a call."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Outcome:
        self._capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *self._capsys.readouterr())


def picture(number: int, gain: float = 1.0) -> np.ndarray:
    """RGB uint8 (48, 64, 3): another pattern for each number."""
    coarse = np.random.default_rng(number).uniform(0, 255 * gain, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_NEAREST)


def write_images(folder: Path, numbers: Iterable[int], gain: float = 1.0) -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        data = encode_jpeg(picture(number, gain), 95)
        (folder / f'{number:03d}.jpg').write_bytes(data)
    return folder


def write_manifest(folder: Path, count: int) -> Path:
    """Image i at panorama i // 2; of each panorama the first is database, the other query."""
    write_images(folder, range(count))
    lines = ['image,latitude,longitude,panorama,role,stamp_s']
    for i in range(count):
        role = 'query' if i % 2 else 'database'
        lines.append(f'{i:03d}.jpg,{52 + 0.001 * (i // 2)},0.1,{i // 2},{role},{100 + i}.5')
    (folder / 'manifest.csv').write_text('\n'.join(lines) + '\n')
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }
