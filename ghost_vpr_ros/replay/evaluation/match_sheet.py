"""A sheet of pictures: each row a query and its candidates, framed green (right) or red (wrong).

The mark stands in the caption too, for readers who cannot distinguish red and green.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ghost_vpr_ros.core.image import decode_compressed

# Pillow has kept such names in a class of their own since 9.1.
_LANCZOS = getattr(Image, 'Resampling', Image).LANCZOS

_MARGIN_PX = 12
_TILE_WIDTH_PX = 240
_FRAME_PX = 5
_LINE_PX = 17
_FONT_PX = 13
_TITLE_PX = 18
_INK = '#1d2733'
_PALE_INK = '#5b6875'


class TileMark(enum.Enum):
    """The role of a tile, with the colour of its frame."""

    QUERY = '#2f6fb2'
    RIGHT = '#2a8f45'
    WRONG = '#cf3030'
    MISSED = '#e0992a'
    UNJUDGED = '#8b959f'


_SIGNS = {TileMark.RIGHT: '✓ ', TileMark.WRONG: '✗ '}


@dataclass(frozen=True)
class Tile:
    """One picture of the sheet: RGB uint8 (H, W, 3), its caption, a line each, and its mark."""

    image: NDArray[np.uint8]
    caption: tuple[str, ...]
    mark: TileMark = TileMark.UNJUDGED


@dataclass(frozen=True)
class _Layout:
    tile_height_px: int
    caption_lines: int
    top_px: int

    @property
    def step_x_px(self) -> int:
        return _TILE_WIDTH_PX + 2 * _FRAME_PX + _MARGIN_PX

    @property
    def step_y_px(self) -> int:
        text_px = self.caption_lines * _LINE_PX
        return self.tile_height_px + 2 * _FRAME_PX + text_px + _MARGIN_PX + 4

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Upper left corner of a tile's frame, x and y in pixels."""
        return _MARGIN_PX + column * self.step_x_px, self.top_px + row * self.step_y_px


def draw_sheet(title: str, subtitle: str, rows: Sequence[Sequence[Tile]]) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) picture of all rows under a title.

    Args:
        title: first line, large.
        subtitle: second line: the meaning of the frames, or how it was made.
        rows: tiles from left to right; rows may differ in length.
    """
    layout = _layout(rows)
    columns = max((len(row) for row in rows), default=1)
    width_px = _MARGIN_PX + columns * layout.step_x_px
    least_px = 2 * _MARGIN_PX + int(max(_text_px(title, _TITLE_PX), _text_px(subtitle, _FONT_PX)))
    height_px = layout.top_px + len(rows) * layout.step_y_px
    sheet = Image.new('RGB', (max(width_px, least_px), height_px), 'white')
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN_PX, _MARGIN_PX - 2), title, _INK, _font(_TITLE_PX, bold=True))
    draw.text((_MARGIN_PX, _MARGIN_PX + 24), subtitle, _PALE_INK, _font(_FONT_PX))
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            _draw_tile(sheet, draw, tile, layout, layout.corner(row, column))
    return np.asarray(sheet, np.uint8)


def _layout(rows: Sequence[Sequence[Tile]]) -> _Layout:
    """The height of all pictures follows from the aspect of the first one."""
    tiles = [tile for row in rows for tile in row]
    lines = max((len(tile.caption) for tile in tiles), default=0)
    aspect = tiles[0].image.shape[0] / tiles[0].image.shape[1] if tiles else 0.75
    height_px = round(_TILE_WIDTH_PX * float(np.clip(aspect, 0.4, 1.5)))
    return _Layout(height_px, lines, top_px=_MARGIN_PX + 52)


def _draw_tile(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    tile: Tile,
    layout: _Layout,
    corner: tuple[int, int],
) -> None:
    x, y = corner
    width_px, height_px = _TILE_WIDTH_PX, layout.tile_height_px
    outer = (x, y, x + width_px + 2 * _FRAME_PX - 1, y + height_px + 2 * _FRAME_PX - 1)
    draw.rectangle(outer, fill=tile.mark.value)
    picture = _fitted(tile.image, width_px, height_px)
    sheet.paste(picture, (x + _FRAME_PX, y + _FRAME_PX))
    for number, line in enumerate(tile.caption):
        text = _SIGNS.get(tile.mark, '') + line if number == 0 else line
        place = (x + 1, outer[3] + 4 + number * _LINE_PX)
        ink = _INK if number == 0 else _PALE_INK
        draw.text(place, _shortened(text, width_px + 2 * _FRAME_PX), ink, _font(_FONT_PX))


def _fitted(image: NDArray[np.uint8], width_px: int, height_px: int) -> Image.Image:
    """The whole picture inside the tile, its aspect kept, on grey where it does not fill it."""
    picture = Image.fromarray(image)
    scale = min(width_px / picture.width, height_px / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    tile = Image.new('RGB', (width_px, height_px), '#e3e6e9')
    offset = ((width_px - size[0]) // 2, (height_px - size[1]) // 2)
    tile.paste(picture.resize(size, _LANCZOS), offset)
    return tile


def _shortened(text: str, width_px: int) -> str:
    """The text with its beginning cut where it is too wide: names differ at their end."""
    if _text_px(text, _FONT_PX) <= width_px:
        return text
    cut = 1
    while cut < len(text) and _text_px('…' + text[cut:], _FONT_PX) > width_px:
        cut += 1
    return '…' + text[cut:]


def _text_px(text: str, size_px: int) -> float:
    return _font(size_px, bold=size_px == _TITLE_PX).getlength(text)


def _font(size_px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings along: the same picture on every machine."""
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    path = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / name
    return ImageFont.truetype(str(path), size_px)


def picture_of_view(jpeg: bytes | None, name: str) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a keyframe's view, by its name in errors; blank where none is."""
    return blank_picture() if jpeg is None else decode_compressed(jpeg, name)


def blank_picture() -> NDArray[np.uint8]:
    """A grey picture in place of an image that is not known."""
    return np.full((3, 4, 3), 0xE3, np.uint8)
