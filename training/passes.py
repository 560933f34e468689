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
