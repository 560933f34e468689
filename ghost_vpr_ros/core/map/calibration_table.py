"""Where a map file stores its calibration: in a table that exists only with one.

No step of the schema is needed: a version that does not know the table ignores it, and is then
as conservative as it always was.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ghost_vpr_ros.core.errors import CalibrationError, MapError
from ghost_vpr_ros.core.map.writer import Execute
from ghost_vpr_ros.core.probability.calibration import Calibration

_CREATE = """
CREATE TABLE IF NOT EXISTS calibration (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    content TEXT NOT NULL
)
"""


def read_calibration(
    connection: sqlite3.Connection, path: Path, model_hash: str
) -> Calibration | None:
    """The map's calibration, or None where it has none.

    Raises:
        MapError: it is unreadable, of a newer version, or of other weights.
    """
    if not connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'calibration'"
    ).fetchone():
        return None
    row = connection.execute('SELECT content FROM calibration').fetchone()
    if row is None:
        return None
    try:
        calibration = Calibration.from_json(row[0])
    except CalibrationError as error:
        raise MapError(f'{path}: {error}') from error
    check_fits(calibration, path, model_hash)
    return calibration


def check_fits(calibration: Calibration, path: Path, model_hash: str) -> None:
    """Was it learned with the weights of the map?

    Raises:
        MapError: with others.
    """
    if calibration.model_hash != model_hash:
        raise MapError(
            f'{path}: expected a calibration for its model {model_hash[:12]}, found one for '
            f'{calibration.model_hash[:12]}; calibrate this map on a drive of its own'
        )


def write_calibration(execute: Execute, calibration: Calibration | None) -> None:
    """Replace the map's calibration; None removes it."""
    execute(_CREATE, ())
    execute('DELETE FROM calibration', ())
    if calibration is not None:
        execute('INSERT INTO calibration VALUES (1, ?)', (calibration.to_json(),))
