"""All errors that a user can cause; each message is one sentence that helps.

A message states what is wrong, where, what was expected against what was found, and what to do
next. The library only raises; the command line turns these into one line and exit status 1.
"""


class GhostVprError(Exception):
    """Base class of all known errors; any other exception that escapes is a defect."""


class ConfigError(GhostVprError):
    """A setting is unknown, out of range, or contradicts another one."""


class SourceError(GhostVprError):
    """A folder, manifest or list of images cannot be used."""


class ImageError(GhostVprError):
    """One image cannot be decoded, or its buffer contradicts its description."""


class WeightsError(GhostVprError):
    """A weights file is missing, damaged, or belongs to another network."""


class MapError(GhostVprError):
    """A map is missing, damaged, of another schema, or of another model."""


class CalibrationError(GhostVprError):
    """A drive does not suffice for a calibration, or a stored calibration cannot be read."""


class BagError(GhostVprError):
    """A bag is missing, truncated, or lacks the requested topic."""


class DeviceError(GhostVprError):
    """The requested engine or device does not exist on this machine."""


class PackageError(GhostVprError):
    """A required package is missing, or incompatible with the others."""


class TrainingError(GhostVprError):
    """Training cannot continue: its loss is not finite, or the network has collapsed."""


class OutputError(GhostVprError):
    """A result cannot be written: no space, no permission, or it would overwrite something."""
