"""One film of an archive, as the plan lists it: a file, a member of a zip or tar, or what could not be listed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cxr_edge.data.listing import is_image
from cxr_edge.system.walk import is_hidden_file, is_hidden_folder

__all__ = ["Member", "is_film_name", "is_tar", "is_zip"]

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


@dataclass(frozen=True)
class Member:
    """A film in the file `place`, which is named from the archive's root, with '/'.

    `kind` is "file", "tar", "zip", or "fault" for what cannot be read; `fault` then says why. In a container it is the
    member `name`, whose `size_bytes` packed bytes begin at `offset`, which in a zip is that of the local header. A zip
    also gives the compression `method` and the CRC-32 of what is unpacked.
    """

    place: str
    kind: str = "file"
    name: str = ""
    offset: int = 0
    size_bytes: int = 0
    method: int = 0
    crc32: int = 0
    fault: str = ""

    @property
    def path(self) -> str:
        """The film's path in rows: that of its file, and in a container its name behind that."""
        return f"{self.place}/{self.name}" if self.name else self.place

    def to_line(self) -> str:
        """Return the member as a line of ASCII JSON. In alphabetical order, lines read a container from its front."""
        if self.kind == "file":
            return json.dumps([self.place])
        place = f"{self.offset:020d}"
        return json.dumps(
            [self.place, place, self.kind, self.name, self.size_bytes, self.method, self.crc32, self.fault]
        )

    @classmethod
    def from_line(cls, line: str) -> Member:
        """Return the member that `to_line` wrote."""
        place, *rest = json.loads(line)
        if not rest:
            return cls(place)
        offset, kind, name, size_bytes, method, crc32, fault = rest
        return cls(place, kind, name, int(offset), size_bytes, method, crc32, fault)


def is_zip(name: str) -> bool:
    """Say whether a file name ends like a zip's; hidden files do not count."""
    return name.lower().endswith(".zip") and not is_hidden_file(_base(name))


def is_tar(name: str) -> bool:
    """Say whether a file name ends like a tar's, packed or not; hidden files do not count."""
    return name.lower().endswith(_TAR_SUFFIXES) and not is_hidden_file(_base(name))


def is_film_name(name: str) -> bool:
    """Say whether a container's member is a film by its name: as in folders, hidden ones are left out."""
    *folders, base = name.split("/")
    return is_image(base) and not any(is_hidden_folder(part) for part in folders if part not in (".", ".."))


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]
