"""The number of passes of an epoch as the paper's equations predict it, an oracle for miners."""

from dataclasses import dataclass

from training.places.mining import HARD_CACHE, HARD_CACHE_QUERY, HARD_NOCACHE, PassCounter


@dataclass(frozen=True)
class EpochSize:
    """What the number of passes follows from, with the paper's symbols.

    Attributes:
        images: N, all images that the cache holds; the paper's N is the database alone.
        queries: N_q.
        positives: N_p, potential positives of a query on average; for hard+cache+query N_p,e, the
            distinct potential positives of a block divided by its queries.
        random_negatives: N_n,r.
        hard_negatives: N_n,h.
        refresh_queries: N_r, queries between two computations of the cache.
    """

    images: int
    queries: int
    positives: float
    random_negatives: int
    hard_negatives: int
    refresh_queries: int


def predicted_passes(scheme: str, size: EpochSize) -> PassCounter:
    """The most passes of one epoch, Eqs. 8 to 11.

    Exact where every query has all its hard negatives (they are known from the second epoch on,
    and all violate the margin), and where no image plays two parts.
    """
    tuple_images = size.queries * (1 + 1 + size.hard_negatives)  # Eq. 8
    positives = round(size.queries * size.positives)
    own = size.queries * (1 + size.hard_negatives) + positives
    refreshes = -(-size.queries // size.refresh_queries)
    mining = {
        HARD_NOCACHE: own + size.queries * size.random_negatives,  # Eq. 9
        HARD_CACHE: refreshes * size.images,  # Eq. 10, first term
        HARD_CACHE_QUERY: own + refreshes * size.random_negatives,  # Eq. 11
    }
    return PassCounter(mining[scheme], tuple_images, tuple_images)


def all_passes(counter: PassCounter) -> int:
    """Forward and backward, to mine and to train."""
    return sum(counter.to_dict().values())


def published_passes(counter: PassCounter, scheme: str) -> int:
    """The total as the paper counts it.

    Eqs. 9 and 11 count no forward pass of the tuples themselves, as if the pass that mined them
    could be differentiated; Eq. 10 counts it (its 1 + 1 + N_nh).
    """
    total = all_passes(counter)
    return total if scheme == HARD_CACHE else total - counter.training_forward
