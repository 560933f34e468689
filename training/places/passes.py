"""Forward and backward passes of an epoch: counted while training, and predicted beforehand.

Source: NetVLAD (journal version), Section 5, Eqs. 8 to 11: the cost of a mining scheme is how
often an image passes through the network, forward or backward.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

HARD_NOCACHE = 'hard+nocache'
HARD_CACHE = 'hard+cache'
HARD_CACHE_QUERY = 'hard+cache+query'
SCHEMES = (HARD_NOCACHE, HARD_CACHE, HARD_CACHE_QUERY)


@dataclass
class PassCounter:
    """Images that went through the network.

    Attributes:
        mining_forward: without gradients, to mine or to fill the cache.
        training_forward: with gradients, as members of a training tuple.
        backward: members of a training tuple.
    """

    mining_forward: int = 0
    training_forward: int = 0
    backward: int = 0

    def count_mining(self, images: int) -> None:
        """Images were described for mining."""
        self.mining_forward += images

    def count_training(self, images: int) -> None:
        """Images of training tuples went forward and backward."""
        self.training_forward += images
        self.backward += images

    @property
    def total(self) -> int:
        """All passes."""
        return self.mining_forward + self.training_forward + self.backward

    def published(self, scheme: str) -> int:
        """The total as the paper counts it.

        # Deviation: Eqs. 9 and 11 count no forward pass of the tuples themselves, as if the pass
        that mined them could be differentiated; Eq. 10 counts it (its 1 + 1 + N_nh). We mine
        without gradients, because the graph of 1,061 images fits no memory, so these two schemes
        cost N_q (2 + N_nh) more than published: 1 % of hard+nocache, 40 % of hard+cache+query.
        """
        return self.total if scheme == HARD_CACHE else self.total - self.training_forward

    def to_dict(self) -> dict[str, int]:
        """Plain values, as `PassCounter(**values)` takes them."""
        return asdict(self)


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

    Raises:
        ValueError: no such scheme.
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
    if scheme not in mining:
        raise ValueError(f'unknown scheme {scheme!r}')
    return PassCounter(mining[scheme], tuple_images, tuple_images)
