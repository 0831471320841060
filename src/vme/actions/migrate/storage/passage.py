"""What goes along with a guest to another store: each file of its directory, and how it gets there."""

from enum import Enum

from vme.actions.migrate.storage.route import Route
from vme.records import dataclass
from vme.units import size_text


class Way(Enum):
    """How a file gets to the other store; the words a plan has for it."""

    COPIED = "copy"
    FLATTENED = "copy with all that lies below it"
    MIRRORED = "copy while it is written to"


@dataclass(frozen=True)
class Piece:
    """One file: its name, how it gets there, how much that is, and whose it is to be there.

    Of an image that is flattened or mirrored the format, the size its guest sees, and the disk it is the image of.
    """

    name: str
    way: Way
    size_bytes: int
    uid: int
    gid: int
    mode: int
    format: str = "raw"
    virtual_bytes: int = 0
    target: str = ""

    def __str__(self) -> str:
        return f"{self.way.value}: {self.name} ({size_text(self.size_bytes)})"


@dataclass(frozen=True)
class Passage:
    """A guest's way to another store, all that goes along, and whose its directory is to be there."""

    route: Route
    pieces: tuple[Piece, ...]
    uid: int
    gid: int
    mode: int

    @property
    def size_bytes(self) -> int:
        """How much is to be written."""
        return sum(piece.size_bytes for piece in self.pieces)

    @property
    def mirrored(self) -> tuple[Piece, ...]:
        """The images that libvirt copies while the guest runs."""
        return tuple(piece for piece in self.pieces if piece.way is Way.MIRRORED)

    @property
    def whole(self) -> tuple[str, ...]:
        """The disks below whose images nothing lies at the other end."""
        return tuple(piece.target for piece in self.pieces if piece.way in (Way.FLATTENED, Way.MIRRORED))

    def lines(self) -> list[str]:
        """For a plan."""
        home, new = self.route.home, self.route.new_home
        return [
            f"  its files go from virt-store {home.name} of zone {home.zone} to {new.name} of zone {new.zone}, "
            f"{size_text(self.size_bytes)} in all",
            *(f"    {piece}" for piece in self.pieces),
            f"  then {self.route.directory} goes to the trash of its store",
        ]
