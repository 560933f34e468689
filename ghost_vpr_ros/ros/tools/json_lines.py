"""A file of JSON lines written by a running node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ghost_vpr_ros.core.errors import ConfigError


class JsonLines:
    """One line for each `write`, flushed at once; without a file nothing is written."""

    def __init__(self, path: str) -> None:
        """Start the file of the parameter `json_out`; an empty path means none.

        Raises:
            ConfigError: the file cannot be written.
        """
        self._path = Path(path) if path else None
        if self._path is None:
            return
        try:
            self._path.write_text('')
        except OSError as error:
            raise ConfigError(
                f'parameter json_out: {path} cannot be written ({error.strerror}); '
                'name another file'
            ) from error

    def write(self, values: Mapping[str, Any]) -> None:
        """Append one line."""
        if self._path is not None:
            with self._path.open('a') as file:
                file.write(json.dumps(values) + '\n')
