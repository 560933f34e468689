"""Open image sources for the commands: their options and their notes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.options import add_where, config_from, where_from
from ghost_vpr_ros.cli.progress import say
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.replay.bags.topics import BagTopics

if TYPE_CHECKING:
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def opened(
    args: argparse.Namespace,
    path: str,
    *,
    where: Mapping[str, str] | None = None,
    topics: BagTopics | None = None,
    as_recorded: bool = False,
) -> ImageSource:
    """The source at `path`; prints which images were left out.

    Args:
        args: with the settings of `ImageConfig` where the command has them.
        path: folder, manifest or bag.
        where: column and value that a manifest's rows must have.
        topics: of a bag.
        as_recorded: frames of a bag in order of recording instead of in order of stamps.

    Raises:
        SourceError, BagError: as `open_source`.
    """
    from ghost_vpr_ros.replay.sources.image_sources import open_source

    images = config_from(args, ImageConfig)
    source = open_source(path, where=where, topics=topics, as_recorded=as_recorded, images=images)
    for note in source.notes:
        # Notes on a bag begin with its name.
        named = note if note.startswith(source.name) else f'{source.name}: {note}'
        say(f'warning: {named}')
    return source


def add_database_and_queries(parser: argparse.ArgumentParser) -> None:
    """Add both sources, each with a filter of its rows."""
    for name in ('database', 'queries'):
        parser.add_argument(
            f'--{name}', required=True, metavar='SOURCE', help='folder, CSV manifest or bag'
        )
        add_where(parser, f'--{name}-where', f' of the {name}')


def opened_database_and_queries(args: argparse.Namespace) -> tuple[ImageSource, ImageSource]:
    """Both sources of `add_database_and_queries`, opened.

    Raises:
        SourceError, BagError: as `open_source`.
    """
    topics = config_from(args, BagTopics)
    where = where_from(args.database_where), where_from(args.queries_where)
    return (
        opened(args, args.database, where=where[0], topics=topics),
        opened(args, args.queries, where=where[1], topics=topics),
    )


@contextmanager
def plain_images_reported(*sources: ImageSource) -> Iterator[tuple[ImageSource, ...]]:
    """Yield the sources, and print at the end how many of the images read are plain.

    The node rejects such images, for example of a lens cap.
    """
    from ghost_vpr_ros.replay.sources.plain_images import PlainImages

    plain = [PlainImages() for _ in sources]
    watched = zip(sources, plain, strict=True)
    yield tuple(replace(source, frames=p.watched(source.frames)) for source, p in watched)
    for source, found in zip(sources, plain, strict=True):
        if found.names:
            say(f'warning: {source.name}: {found.remark(len(source))}')
