"""The part of a page of the documentation that is made of reports of tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ghost_vpr_ros.core.errors import OutputError
from ghost_vpr_ros.replay.output_files import write_file

BEGIN = '<!-- begin of what training.experiments writes -->'
END = '<!-- end of what training.experiments writes -->'


def update_page(path: Path, reports: Sequence[str]) -> None:
    """Replace what stands between the two marks of a page.

    Raises:
        OutputError: the page is missing, lacks a mark, or cannot be written.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise OutputError(f'{path}: not readable ({error.strerror}); name a page') from error
    before, found, rest = text.partition(BEGIN)
    _, also_found, after = rest.partition(END)
    if not (found and also_found):
        raise OutputError(f'{path}: expected the marks {BEGIN!r} and {END!r}; write them into it')
    body = '\n'.join(report.rstrip() + '\n' for report in reports)
    write_file(path, f'{before}{BEGIN}\n\n{body}\n{END}{after}')
