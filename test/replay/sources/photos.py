"""Photos with EXIF tags, made in the test."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

NOT_KNOWN = IFDRational(0, 0)
_TAGS = {'lat_ref': 1, 'lat': 2, 'lon_ref': 3, 'lon': 4, 'alt_ref': 5, 'alt': 6, 'time': 7}
_TAGS |= {'heading_ref': 16, 'heading': 17, 'datum': 18, 'date': 29}


def save_photo(path: Path, grey: int = 0, **tags: object) -> Path:
    """A small photo with GPS tags by short name; `scene` where it should show something."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x8825] = {_TAGS[name]: value for name, value in tags.items()}
    pixels = np.full((48, 64, 3), grey, np.uint8)
    pixels[:24] = 255 - grey
    Image.fromarray(pixels).save(path, exif=exif.tobytes())
    return path


def heic_start() -> bytes:
    """What a HEIC photo begins with, and nothing that could be decoded."""
    return b'\0\0\0\x18ftypheic\0\0\0\0heicmif1' + bytes(200)


def jpeg_bytes() -> bytes:
    """A JPEG without tags."""
    data = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(data, 'JPEG')
    return data.getvalue()
