"""Images in and out: files and compressed buffers become RGB, raw messages are checked.

The orientation tag of a photo's EXIF is applied, so that a phone's photo is upright as a
person sees it; image streams of cameras carry no such tag and are not touched.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.image_header import (
    ImageHeader,
    bmp_is_upwards,
    read_header,
    tiff_not_rgb,
    webp_ends_in_zeros,
)
from ghost_vpr_ros.core.jpeg import MOST_SCANS, count_scans, is_filled_up, with_end_marker

if TYPE_CHECKING:
    from array import array

    Buffer = bytes | bytearray | memoryview | array[int] | NDArray[np.uint8]

IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm'),
)
"""Suffixes of images when a folder is listed (compared in lower case)."""

HEIC_SUFFIXES = ('.heic', '.heif', '.hif')
"""Those of photos that need a decoder of their own, see `has_heic_decoder`."""

RAW_ENCODINGS: dict[str, int] = {
    **{f'{order}8': 3 for order in ('rgb', 'bgr')},
    **{f'{order}8': 4 for order in ('rgba', 'bgra')},
    **{f'{order}16': 6 for order in ('rgb', 'bgr')},
    **{f'{order}16': 8 for order in ('rgba', 'bgra')},
    **{'8UC1': 1, '8UC3': 3, '8UC4': 4},
    'mono8': 1,
    'mono16': 2,
    **{f'bayer_{order}8': 1 for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
    **{f'bayer_{order}16': 2 for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
    **{name: 2 for name in ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv')},
}
"""Encodings of `sensor_msgs/Image` in one plane that are understood, bytes for each pixel."""

_BAYER = {
    # OpenCV names them by the second row's second and third pixel.
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}
_DEPTH_BITS = (8, 10, 12, 14, 16)
"""Bits of a pixel that cameras have, whatever the 16 that carry them."""

_VIDEO = ('h264', 'h.264', 'h265', 'h.265', 'hevc', 'avc', 'av1', 'vp8', 'vp9', 'theora', 'ffmpeg')
_VIDEO_STARTS = (b'\x00\x00\x00\x01', b'\x00\x00\x01')
"""Start codes of H.264 and H.265 packets; no picture begins so but an icon."""

_ICON_START = b'\x00\x00\x01\x00'

_PNG_START = b'\x89PNG\r\n\x1a\n'

_MOSTLY = 0.5
_MOST_BYTES_PER_PIXEL = 8.0
"""Four channels of 16 bits; a header that claims more counts as more pixels."""

_READ_AS = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH,
}
"""OpenCV's flags by what the sides are divided by: libjpeg averages blocks while it decodes."""

_NEXT_STEPS = {
    'HEIC': 'install a decoder with pip install pillow-heif, or convert it to JPEG',
    'MP4 or QuickTime video': 'take single images out of it, for example with ffmpeg',
    'Matroska video': 'take single images out of it, for example with ffmpeg',
    'AVI video': 'take single images out of it, for example with ffmpeg',
    'Ogg': 'theora packets cannot be read alone; record raw, JPEG or PNG images',
    'Git LFS pointer': 'the file itself was not downloaded: run `git lfs pull`',
    'ZIP': 'unpack it',
    'gzip': 'unpack it',
    'Zstandard': 'unpack it with `zstd -d`',
    'web page': 'a download has failed; fetch the image again',
}
_CONVERT = 'convert it to JPEG or PNG'
_UNCOMPRESSED = ('BMP', 'PNM', 'TIFF')
_READABLE = ('JPEG', 'PNG', 'WebP', *_UNCOMPRESSED)
"""Formats that every build of OpenCV reads: such a file is damaged where it cannot be decoded."""


def read_image(
    path: str | Path, config: ImageConfig | None = None, least_side_px: int = 0
) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of an image file; grey, 16-bit and transparent images are converted.

    Args:
        path: the file.
        config: how large it may be.
        least_side_px: see `decode_compressed`.

    Raises:
        ImageError: missing, empty, truncated, too large, or not an image; the message names the
            file.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error) or 'unreadable'
        name = valid_text(str(path))
        raise ImageError(f'{name}: the image cannot be read ({reason}); check the path') from error
    return decode_compressed(
        data, valid_text(str(path)), config=config, least_side_px=least_side_px
    )


def decode_compressed(
    data: Buffer,
    name: str,
    image_format: str = '',
    config: ImageConfig | None = None,
    least_side_px: int = 0,
) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a JPEG, PNG or other compressed image in memory.

    Args:
        data: the compressed bytes.
        name: what to call the image in an error.
        image_format: of a `sensor_msgs/CompressedImage`, such as `bgr8; jpeg compressed bgr8`.
        config: how large it may be.
        least_side_px: a JPEG becomes a half, a quarter or an eighth as wide and high while its
            shorter side keeps as many pixels, which is most of the time of decoding and resizing
            a large one; 0: never.

    Raises:
        ImageError: empty, truncated, too large, or not an image: of a depth camera, or video.
    """
    check_is_picture(data, image_format, name)
    raw = np.frombuffer(data, np.uint8).tobytes()
    if not raw:
        raise ImageError(f'{name}: expected an image, found 0 bytes; write the file again')
    header = read_header(raw)
    _check_size(header, name, config or ImageConfig())
    if header.kind == 'HEIC':
        return _decode_heic(raw, name)
    source, _, written = image_format.strip().partition(';')
    if source.startswith('bayer_'):
        return _rgb_of_mosaic(raw, source, name, header.kind)
    bgr = _decode(raw, name, header.kind, _divisor(header, least_side_px))
    if 'compressed rgb' in written:
        # image_transport states here that red was written in place of blue.
        return bgr
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey levels or colours, uint8 or uint16, as uint8, scaled by the bits that are in use.

    A camera of 10, 12 or 14 bits fills the lower ones of 16: its white is not 65535.
    """
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    brightest = int(pixels.max(initial=0))
    bits = next(bits for bits in _DEPTH_BITS if brightest < 1 << bits)
    scaled = cv2.convertScaleAbs(pixels, alpha=255.0 / ((1 << bits) - 1))
    return np.asarray(scaled, np.uint8).reshape(pixels.shape)


def debayered(mosaic: NDArray[np.uint8], encoding: str) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a mosaic (H, W) of 8 bits; `encoding` as `bayer_rggb8`."""
    order = encoding.removeprefix('bayer_')[:4]
    return np.asarray(cv2.cvtColor(mosaic, _BAYER[order]), np.uint8)


def check_is_picture(data: Buffer, image_format: str, name: str) -> None:
    """Refuse content of a CompressedImage that is not a still picture.

    Raises:
        ImageError: a depth image or packets of a video; with the format and the next step.
    """
    start = np.frombuffer(data, np.uint8)[:20].tobytes()
    said = image_format.lower()
    called = f'format {image_format!r}' if image_format else 'the content'
    # compressedDepth puts a header of 12 bytes before its PNG.
    if 'compresseddepth' in said or start[12:] == _PNG_START:
        raise ImageError(
            f'{name}: {called} is a depth image (compressedDepth), which shows no place; choose '
            "the topic of the camera's colour or infrared images"
        )
    video = next((word for word in _VIDEO if word in said), '')
    is_packet = start.startswith(_VIDEO_STARTS) and not start.startswith(_ICON_START)
    if video or is_packet:
        raise ImageError(
            f'{name}: {called} is video ({video or "H.264 or H.265"} packets), not '
            'one picture a message; record the JPEG topic of the camera, or decode it with `ros2 '
            'run image_transport republish ffmpeg raw` and use the raw topic'
        )


def has_heic_decoder() -> bool:
    """Whether HEIC photos can be read on this machine (the extra `heic`)."""
    return importlib.util.find_spec('pillow_heif') is not None


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key in which numbers count as numbers: `2.jpg` before `10.jpg`."""
    parts = re.split(r'(\d+)', name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]


def valid_text(name: str) -> str:
    r"""The name of a file as text that can be written everywhere, on one line.

    Bytes that are not UTF-8, and control characters, are shown as an escape (`\xe9`).
    """
    text = name.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')
    return ''.join(
        char if char.isprintable() or char == ' ' else char.encode('unicode_escape').decode()
        for char in text
    )


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """JPEG of an RGB uint8 (H, W, 3) image; `quality` 1 to 100.

    Raises:
        ImageError: not a non-empty uint8 array of that shape.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ImageError(
            f'cannot encode as JPEG: expected RGB uint8 (H, W, 3), found {rgb.dtype} {rgb.shape}'
        )
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def check_raw_image(
    encoding: str, height: int, width: int, step: int, size_bytes: int, name: str
) -> None:
    """Check the buffer of a `sensor_msgs/Image` against its fields.

    Args:
        encoding: one of `RAW_ENCODINGS`.
        height: rows.
        width: columns.
        step: bytes from one row to the next; may exceed the pixels (padding).
        size_bytes: length of the buffer; the last row's padding may be absent.
        name: what to call the image in an error.

    Raises:
        ImageError: unknown encoding, zero size, odd width of yuv422, short step or short buffer.
    """
    if encoding not in RAW_ENCODINGS:
        known = ', '.join(sorted(RAW_ENCODINGS))
        raise ImageError(
            f'{name}: encoding {encoding!r} is not supported; expected one of {known}'
        )
    if height <= 0 or width <= 0:
        raise ImageError(f'{name}: {encoding} image of zero size, {width} x {height} px')
    if RAW_ENCODINGS[encoding] == 2 and 'yu' in encoding and width % 2:
        raise ImageError(f'{name}: {encoding} needs an even width, found {width} px')
    row_bytes = width * RAW_ENCODINGS[encoding]
    if step < row_bytes:
        raise ImageError(
            f'{name}: {encoding} rows of {width} px need a step of {row_bytes} bytes, found {step}'
        )
    needed = step * (height - 1) + row_bytes
    if size_bytes < needed:
        raise ImageError(
            f'{name}: truncated {encoding} image, {width} x {height} px with step {step} need '
            f'{needed} bytes, found {size_bytes}'
        )


def packed_rows(
    data: Buffer, encoding: str, height: int, width: int, step: int
) -> NDArray[np.uint8]:
    """Flat uint8 pixels of a checked raw image without row padding; no copy where there is none.

    Converters assume rows without padding, drivers may align them: call after `check_raw_image`.
    """
    row_bytes = width * RAW_ENCODINGS[encoding]
    flat = np.frombuffer(data, np.uint8)
    if step == row_bytes:
        return flat[: row_bytes * height]
    rows = np.lib.stride_tricks.as_strided(flat, (height, row_bytes), (step, 1), writeable=False)
    return np.ascontiguousarray(rows).reshape(-1)


def _check_size(header: ImageHeader, name: str, config: ImageConfig) -> None:
    """Refuse what would take more memory than the limit allows, before it is taken."""
    if (header.width_px, header.height_px) == (1, 1):
        # OpenCV 4.5 fails on it; web pages count their visitors by such.
        raise ImageError(f'{name}: an image of one pixel shows no place; remove it')
    share = max(1.0, header.bytes_per_pixel / _MOST_BYTES_PER_PIXEL)
    if header.megapixels * share > config.max_image_megapixels:
        raise ImageError(
            f'{name}: {header.width_px} x {header.height_px} px are {header.megapixels:.3g} '
            f'megapixels, expected at most {config.max_image_megapixels:g}; make it smaller, or '
            'raise max_image_megapixels'
        )


def _divisor(header: ImageHeader, least_side_px: int) -> int:
    """By how much a picture can be made smaller while it is decoded: 1, 2, 4 or 8."""
    if header.kind != 'JPEG' or least_side_px <= 0:
        return 1
    shorter = min(header.width_px, header.height_px)
    return next(each for each in _READ_AS if each == 1 or shorter // each >= least_side_px)


def _decode(raw: bytes, name: str, kind: str, divisor: int = 1) -> NDArray[np.uint8]:
    """BGR uint8 (H, W, 3); 16 bits as `eight_bits` does it."""
    if kind == 'JPEG':
        return _decode_jpeg(raw, name, divisor)
    image = _read(raw, name, kind)
    if image.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f'{name}: expected grey levels of 8 or 16 bits, found {image.dtype}, which are '
            'measurements and no picture; save it as an 8-bit image'
        )
    bgr = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return eight_bits(bgr)


def _read(raw: bytes, name: str, kind: str, divisor: int = 1) -> cv2.typing.MatLike:
    """BGR (H, W, 3), or (H, W) of a TIFF, as OpenCV has it."""
    buffer = np.frombuffer(raw, np.uint8)
    if kind == 'TIFF' and (found := tiff_not_rgb(raw)):
        raise ImageError(f'{name}: expected a TIFF in RGB or grey, found {found}; {_CONVERT}')
    try:
        image = cv2.imdecode(buffer, _READ_AS[divisor])
        if image is None and kind == 'TIFF':
            # Of one channel of floating-point numbers OpenCV makes no colours.
            image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f'{name}: the image cannot be decoded ({error.err})') from error
    if image is None or image.size == 0:
        raise ImageError(_not_decoded(raw, name, kind))
    is_broken_off = kind in _UNCOMPRESSED and _breaks_off(
        image, is_upwards=kind == 'BMP' and bmp_is_upwards(raw)
    )
    if is_broken_off or (kind == 'WebP' and webp_ends_in_zeros(raw)):
        raise ImageError(
            f'{name}: the {kind} is truncated, its data end in zeros ({len(raw)} bytes); copy or '
            'record it again'
        )
    return image


def _breaks_off(picture: cv2.typing.MatLike, *, is_upwards: bool) -> bool:
    """Whether a picture (H, W, ...) turns black in the middle of a row, down to the last one.

    So does a copy that was broken off; a black border ends with a row, or along a slope.
    """
    rows = picture[::-1] if is_upwards else picture
    if rows[-1].any():
        return False
    is_filled = np.asarray(np.max(np.atleast_3d(rows), axis=2) > 0)
    filled_rows = np.flatnonzero(is_filled.any(axis=1))
    if len(filled_rows) == 0 or filled_rows[-1] == 0:
        return False
    last = int(filled_rows[-1])
    end = int(np.flatnonzero(is_filled[last])[-1]) + 1
    behind = is_filled[last - 1, end:]
    return bool(len(behind) and behind.mean() > _MOSTLY)


def _not_decoded(raw: bytes, name: str, kind: str) -> str:
    if not kind or kind in _READABLE:
        return (
            f'{name}: expected an image, found {len(raw)} bytes that are damaged or of another '
            'kind; replace or remove the file'
        )
    step = _NEXT_STEPS.get(kind, _CONVERT)
    return f'{name}: expected an image (JPEG, PNG, ...), found {kind}; {step}'


def _rgb_of_mosaic(raw: bytes, source: str, name: str, kind: str) -> NDArray[np.uint8]:
    """RGB of a PNG or JPEG that a driver wrote of `source`, with its mosaic or in colours."""
    order = source.removeprefix('bayer_')[:4]
    if order not in _BAYER:
        raise ImageError(f'{name}: {source!r} is not a mosaic of {", ".join(_BAYER)}')
    grey = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    if grey is None or grey.ndim != 2:
        return np.asarray(cv2.cvtColor(_decode(raw, name, kind), cv2.COLOR_BGR2RGB), np.uint8)
    return debayered(eight_bits(grey), source)


def _decode_jpeg(raw: bytes, name: str, divisor: int) -> NDArray[np.uint8]:
    whole = with_end_marker(raw)
    cut_off = ImageError(
        f'{name}: the JPEG is truncated, its data end before its picture ({len(raw)} bytes); '
        'copy or record it again'
    )
    if whole is None:
        raise cut_off
    scans = count_scans(whole)
    if scans > MOST_SCANS:
        raise ImageError(
            f'{name}: the JPEG has {scans} scans, expected at most {MOST_SCANS}; save it again '
            'with an image editor'
        )
    image = _read(whole, name, 'JPEG', divisor).astype(np.uint8, copy=False)
    if is_filled_up(whole, image, divisor):
        raise cut_off
    return image


def _decode_heic(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Of a phone's photo, upright."""
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(_not_decoded(raw, name, 'HEIC')) from error
    try:
        photo = pillow_heif.read_heif(raw, convert_hdr_to_8bit=True)
        image = np.asarray(photo)
    except (ValueError, EOFError, OSError, SyntaxError, RuntimeError) as error:
        raise ImageError(
            f'{name}: the HEIC photo cannot be decoded ({error}); copy it again, or convert it to '
            'JPEG'
        ) from error
    rgb = image[..., :3] if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(rgb, dtype=np.uint8)
