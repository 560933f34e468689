"""The look of a house, drawn at random: material, windows, ground floor, roof, name of a shop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ghost_vpr_ros.replay.sample_town.painting import Rgb
from ghost_vpr_ros.replay.sample_town.seeding import pick_rgb, stream
from ghost_vpr_ros.replay.sample_town.walls import WALL_COLORS

TRIMS: tuple[Rgb, ...] = ((236, 232, 222), (208, 198, 178), (120, 112, 104), (80, 84, 88))
FRAMES: tuple[Rgb, ...] = ((240, 240, 236), (70, 58, 48), (52, 60, 66), (120, 84, 54))
ACCENTS: tuple[Rgb, ...] = (
    (164, 36, 40), (28, 92, 64), (32, 62, 128), (206, 150, 34), (96, 40, 92), (30, 32, 36),
    (206, 96, 34), (34, 120, 130), (122, 72, 40),
)  # fmt: skip
ROOFS: tuple[Rgb, ...] = ((150, 76, 54), (118, 66, 52), (82, 84, 90), (104, 98, 92))
TRADES = (
    'BAKERY', 'CAFE', 'BOOKS', 'PHARMACY', 'HOTEL', 'PIZZERIA', 'FLOWERS', 'BARBER', 'BANK',
    'OPTICS', 'SHOES', 'RADIO', 'CYCLES', 'TAILOR', 'MARKET', 'TEA ROOM', 'MUSIC', 'BUTCHER',
    'TOYS', 'POST',
)  # fmt: skip
OWNERS = (
    'Aldo', 'Berta', 'Corvin', 'Dora', 'Emil', 'Fenn', 'Greta', 'Hugo', 'Ilse', 'Jonas', 'Kira',
    'Lorenz', 'Mira', 'Nello', 'Orla', 'Piet', 'Rosa', 'Sven', 'Tilda', 'Ugo', 'Vera', 'Wim',
)  # fmt: skip


@dataclass(frozen=True)
class HouseStyle:
    """Everything that distinguishes one house; equal styles give equal pictures.

    Attributes:
        seed_name: name of the random stream that paints it.
        material: key of the wall materials.
        wall_rgb: colour of the wall.
        trim_rgb: colour of sills, bands and cornice.
        frame_rgb: colour of window frames.
        accent_rgb: colour of door, shutters and shop.
        storeys: number of floors, the ground floor included.
        storey_m: height of an upper floor.
        window: 'sash', 'casement', 'strip', 'arch' or 'balcony'.
        bay_m: distance from window to window.
        shutters: whether windows have them.
        ground: 'shop', 'home', 'garage' or 'office'.
        sign: text over the shop.
        roof: 'flat', 'pitched' or 'mansard'.
        roof_rgb: colour of the tiles.
    """

    seed_name: str
    material: str
    wall_rgb: Rgb
    trim_rgb: Rgb
    frame_rgb: Rgb
    accent_rgb: Rgb
    storeys: int
    storey_m: float
    window: str
    bay_m: float
    shutters: bool
    ground: str
    sign: str
    roof: str
    roof_rgb: Rgb

    @property
    def ground_m(self) -> float:
        """Height of the ground floor."""
        return 3.7 if self.ground in ('shop', 'office') else 3.2

    @property
    def height_m(self) -> float:
        """Height of the walls, the cornice included."""
        return self.ground_m + self.storey_m * (self.storeys - 1) + 0.6


def draw_style(seed: int, terrace: int) -> HouseStyle:
    """The style of a terrace; about one in six is a design that the town has elsewhere too."""
    rng = stream(seed, 'style', terrace)
    name = f'common-{int(rng.integers(4))}' if rng.random() < 0.18 else f'own-{terrace}'
    rng = stream(seed, 'style', name)
    material = str(rng.choice(list(WALL_COLORS), p=(0.3, 0.38, 0.12, 0.1, 0.1)))
    window = str(rng.choice(['sash', 'casement', 'strip', 'arch', 'balcony']))
    ground = str(rng.choice(['shop', 'home', 'garage', 'office'], p=(0.46, 0.3, 0.12, 0.12)))
    return HouseStyle(
        seed_name=name,
        material=material,
        wall_rgb=pick_rgb(rng, WALL_COLORS[material]),
        trim_rgb=pick_rgb(rng, TRIMS),
        frame_rgb=pick_rgb(rng, FRAMES),
        accent_rgb=pick_rgb(rng, ACCENTS, 12.0),
        storeys=int(rng.choice([2, 3, 4, 5, 6], p=(0.18, 0.32, 0.28, 0.15, 0.07))),
        storey_m=float(rng.uniform(2.8, 3.3)),
        window='casement' if material == 'boards' and window == 'strip' else window,
        bay_m=float(rng.uniform(1.9, 3.2)),
        shutters=bool(rng.random() < 0.35 and window in ('sash', 'casement')),
        ground=ground,
        sign=_name_shop(rng),
        roof=str(rng.choice(['flat', 'pitched', 'mansard'], p=(0.4, 0.4, 0.2))),
        roof_rgb=pick_rgb(rng, ROOFS),
    )


def _name_shop(rng: np.random.Generator) -> str:
    trade, owner = TRADES[int(rng.integers(len(TRADES)))], OWNERS[int(rng.integers(len(OWNERS)))]
    form = int(rng.integers(3))
    return (trade, f'{trade} {owner}', f"{owner}'s {trade}")[form]
