"""Converts the text of a table's cells to numbers, degrees and times.

Unambiguous text is converted; ambiguous text is refused, naming both meanings.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from decimal import Decimal

EMPTY_WORDS = frozenset(
    {'', 'nan', 'none', 'null', 'nil', 'na', 'n/a', '#n/a', '<na>', '-', '--', '?', 'unknown'}
    | {'-nan', '+nan', 'nan(ind)', '-nan(ind)', '1.#qnan', '-1.#ind', '1.#ind', 'nat', '(null)'}
    | {'#value!', '#ref!', '#div/0!', '#num!', '#null!', '#name?'}
)
"""In lower case: what programs write into a cell whose value is not known."""

_SHOWN_CHARACTERS = 40
_MOST_CHARACTERS = 60
_PLAIN = re.compile(r'[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?', re.ASCII)
_ENGLISH = re.compile(r'[+-]?\d{1,3}(,\d{3})+\.\d+', re.ASCII)
_GERMAN = re.compile(r'[+-]?\d{1,3}(\.\d{3})+,\d+', re.ASCII)
_SPACED = re.compile(r"[+-]?\d{1,3}([ '\u00a0\u202f]\d{3})+([.,]\d+)?", re.ASCII)
_ONE_COMMA = re.compile(r'[+-]?\d+,\d+', re.ASCII)
_THOUSANDS = re.compile(r'[+-]?[1-9]\d{0,2}(,\d{3})+', re.ASCII)
_INVISIBLE = re.compile('[\u200b-\u200f\u202a-\u202e\u2060\ufeff]')
"""Marks of width or direction that come along when a position is copied from a page."""

_ANGLE_PARTS = re.compile(
    r'[\s°º˚⁰\'"′″ʹʺ’”‘“´`:]+|d(?:eg(?:rees?)?)?\.?|m(?:in(?:utes?)?)?\.?|s(?:ec(?:onds?)?)?\.?'
)
_UNITS = '(?:[DMS]|DEG(?:REES)?|MIN(?:UTES)?|SEC(?:ONDS)?)'
_IN_SECONDS = re.compile(r'.*\d\s*M[A-Z]*\.?\s*\d+(\.\d+)?\s*S')
"""`52d12m0s`: that S is no hemisphere."""

_ISO = re.compile(
    r'(\d{4}[-:]\d\d[-:]\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?'
    r'\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?',
    re.ASCII | re.IGNORECASE,
)
_NMEA = {'NS': r'(\d\d)(\d\d(?:\.\d*)?)', 'EW': r'(\d{3})(\d\d(?:\.\d*)?)'}
"""Degrees and minutes without a space: degrees of a longitude have three digits."""

_WORDS_OF_LETTERS = {'N': 'NORTH', 'S': 'SOUTH', 'E': 'EAST', 'W': 'WEST'}
_MINUS_SIGNS = str.maketrans(dict.fromkeys('\u2212\u2012\u2013\uff0d', '-'))
"""What texts that were typeset have in place of a hyphen."""

_LEAST_OF_GRIDS = 100_000
"""Metres: eastings and northings of most grids have six or seven digits."""

_EPOCH = datetime.date(1970, 1, 1)
_MINUTE = 60.0


def is_empty(text: str) -> bool:
    """Whether a cell marks its value as unknown."""
    return text.lower() in EMPTY_WORDS


def without_invisible(text: str) -> str:
    """The text of a number without marks that are not seen."""
    return _INVISIBLE.sub('', text).strip()


def shown(text: str) -> str:
    """The text in quotes for an error, cut where it is long."""
    return repr(text) if len(text) <= _SHOWN_CHARACTERS else f'{text[:_SHOWN_CHARACTERS]!r}...'


def number_of(text: str, comma_is_decimal: bool) -> float:
    """A finite number.

    Args:
        text: of the cell, not empty.
        comma_is_decimal: what a single comma is where it could also part thousands (`334,873`).

    Raises:
        ValueError: no finite number, or one that can be read in two ways; with a readable text.
    """
    plain = _plain_number(text, comma_is_decimal)
    value = float(plain) if plain is not None and len(plain) <= _MOST_CHARACTERS else float('nan')
    if not abs(value) < float('inf'):
        raise ValueError(f'expected a finite number, found {shown(text)}')
    return value


def degrees_of(text: str, letters: str, comma_is_decimal: bool) -> float:
    """Signed degrees: `-33.85`, `33,85`, `33.85 S`, `52.2°`, `52 12 00 N`, `0°07'12"E`.

    With a letter, `5212.5N` and `00007.2E` are degrees and minutes of a receiver (NMEA).

    Args:
        text: of the cell, not empty.
        letters: of the positive and the negative hemisphere.
        comma_is_decimal: as in `number_of`; degrees have no thousands, so it hardly matters.

    Raises:
        ValueError: no angle, or a sign and a letter that contradict each other.
    """
    capitals = text.upper().translate(_MINUS_SIGNS).strip()
    if letters == 'NS' and re.search(r'\d\s*(DEG|MIN|SEC)S$', capitals):
        raise ValueError(f'S of {shown(text)} is south or a plural; write the sign or south')
    body, letter = _without_letter(capitals, letters)
    if letter and is_nmea(text, letters):
        size = nmea_degrees(text, letters)
        return -size if letter == letters[1] else size
    if letters == 'EW' and re.search(r'[^A-Z]O(EST|STE?)?$', body):
        raise ValueError(f'O of {shown(text)} is east or west by the language; write E or W')
    words = [word for word in _ANGLE_PARTS.split(body.lower()) if word]
    if not 1 <= len(words) <= 3:
        raise ValueError(f'expected degrees, found {shown(text)}')
    parts = [number_of(word, True) for word in words]
    if any(not 0 <= part < _MINUTE for part in parts[1:]):
        raise ValueError(f'expected minutes and seconds of 0 .. 60, found {shown(text)}')
    size = sum(abs(part) / _MINUTE**power for power, part in enumerate(parts))
    is_negative = words[0].startswith('-')
    if is_negative and letter == letters[0]:
        raise ValueError(f'the sign and the letter of {shown(text)} contradict each other')
    return -size if is_negative or letter == letters[1] else size


def may_be_coordinates(texts: Iterable[str]) -> bool:
    """Whether all cells that are filled, and at least one, hold degrees or metres of a grid.

    Whole numbers are those of frames or classes as often, unless they are as long as those of
    grids.
    """
    filled = [text for text in texts if not is_empty(text)]
    try:
        values = [degrees_of(text, 'NS', True) for text in filled]
    except ValueError:
        return False
    return any(value % 1 or abs(value) >= _LEAST_OF_GRIDS for value in values)


def may_be_pairs(texts: Iterable[str]) -> bool:
    """Whether all cells that are filled, and at least one, hold two coordinates each."""
    filled = [text for text in texts if not is_empty(text)]
    return bool(filled) and all(
        any(may_be_coordinates([half]) for half in halves)
        and all(_is_angle(half) for half in halves)
        for halves in map(_halves, filled)
    )


def _halves(text: str) -> list[str]:
    """Both sides of the comma, semicolon or space in the middle; a text without one is no pair."""
    for mark in (',', ';', ' '):
        parts = re.split(rf'\s*{mark}\s*', text.strip('()[] '))
        if len(parts) % 2 == 0:
            middle = len(parts) // 2
            return [mark.join(parts[:middle]), mark.join(parts[middle:])]
    return ['', '']


def _is_angle(text: str) -> bool:
    try:
        return bool(text) and abs(degrees_of(text, 'NS' if text[-1:] in 'NS' else 'EW', True)) >= 0
    except ValueError:
        return False


def is_nmea(text: str, letters: str) -> bool:
    """Whether a cell looks like degrees and minutes of a receiver: `5212.5`, `00007.2E`."""
    return _nmea(text, letters) is not None


def nmea_degrees(text: str, letters: str) -> float:
    """Degrees without a sign of a text for which `is_nmea` holds."""
    found = _nmea(text, letters)
    if found is None:
        raise ValueError(f'expected degrees and minutes as 5212.5, found {shown(text)}')
    return found


def _nmea(text: str, letters: str) -> float | None:
    body = _without_letter(text.upper().strip(), letters)[0].strip().replace(',', '.')
    match = re.fullmatch(_NMEA[letters], body, re.ASCII)
    if match is None or float(match[2]) >= _MINUTE:
        return None
    return float(match[1]) + float(match[2]) / _MINUTE


def letter_of(text: str, letters: str) -> str:
    """The letter of a hemisphere that a cell of its own names: `S`, `south`; else empty."""
    body = text.upper().strip()
    known = (letter for letter in letters if body in (letter, _WORDS_OF_LETTERS[letter]))
    return next(known, '')


def metres_of(text: str, comma_is_decimal: bool) -> float:
    """Metres of `35`, `35 m`, or as exiftool writes them, `35.2 m Above Sea Level`.

    Raises:
        ValueError: no number, or of another unit, with a text for people.
    """
    match = re.fullmatch(r'(.*?)\s*m(?:\s+(above|below) sea level)?', text, re.IGNORECASE)
    if match is None:
        return number_of(text, comma_is_decimal)
    size = number_of(match[1], comma_is_decimal)
    return -abs(size) if (match[2] or '').lower() == 'below' else size


def hemisphere_in(text: str, letters: str) -> str:
    """The letter of the hemisphere that a cell names beside its number, or nothing."""
    return _without_letter(text.upper().strip(), letters)[1]


def _without_letter(body: str, letters: str) -> tuple[str, str]:
    """A text in capitals without the hemisphere before or after it, and its letter."""
    for letter in letters:
        word = f'(?:{_WORDS_OF_LETTERS[letter]}|{letter})'
        # After a number, or after its unit: the last letter of DEGREES is not a hemisphere.
        match = re.fullmatch(rf'{word}(?![A-Z])\s*(.*)', body) or re.fullmatch(
            rf'(.*(?:[^A-Z]|\d\s*{_UNITS})){word}', body
        )
        if match is not None and not (letter == 'S' and _IN_SECONDS.fullmatch(body)):
            return match[1], letter
    return body, ''


def decimal_of(text: str) -> Decimal | None:
    """A number of ordinary size with all its digits, or None; of `1e999999` it takes no time."""
    if len(text) > _MOST_CHARACTERS or _PLAIN.fullmatch(text) is None:
        return None
    return Decimal(text)


def nanoseconds_of_date(text: str) -> int | None:
    """Nanoseconds since 1970 of `2024-05-06T10:00:00Z`; None where it is another text.

    Raises:
        ValueError: no such date, or no time zone, with a readable text.
    """
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    date, hour, minute, second, fraction, zone = match.groups()
    if zone is None:
        raise ValueError(
            f'{shown(text)} has no time zone; add Z where it is UTC, or +01:00 and the like'
        )
    try:
        day = (datetime.date.fromisoformat(date.replace(':', '-')) - _EPOCH).days
    except ValueError as error:
        raise ValueError(f'{shown(text)} is not a date ({error})') from error
    if not (int(hour) < 24 and int(minute) < 60 and int(second) < 61):
        raise ValueError(f'{shown(text)} is not a time of day')
    offset_s = 0
    if zone[0] in '+-':
        digits = zone[1:].replace(':', '')
        minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
        offset_s = minutes * (60 if zone[0] == '+' else -60)
    seconds = day * 86_400 + int(hour) * 3600 + int(minute) * 60 + int(second) - offset_s
    return seconds * 10**9 + int((fraction or '0').ljust(9, '0'))


def _plain_number(text: str, comma_is_decimal: bool) -> str | None:
    """The number with a decimal point and without marks between thousands.

    Raises:
        ValueError: a comma that could be either.
    """
    text = text.translate(_MINUS_SIGNS)
    if _PLAIN.fullmatch(text):
        return text
    if _ENGLISH.fullmatch(text):
        return text.replace(',', '')
    if _GERMAN.fullmatch(text):
        return text.replace('.', '').replace(',', '.')
    if _SPACED.fullmatch(text):
        return re.sub(r"[ '\u00a0\u202f]", '', text).replace(',', '.')
    if _THOUSANDS.fullmatch(text) and not comma_is_decimal:
        raise ValueError(
            f'{shown(text)} could be a decimal comma or thousands; write it with a decimal point'
        )
    return text.replace(',', '.') if _ONE_COMMA.fullmatch(text) else None
