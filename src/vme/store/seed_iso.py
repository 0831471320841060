"""An ISO 9660 image of a few small text files, under the volume name that cloud-init looks for."""

from collections.abc import Mapping
from io import BytesIO

# NoCloud takes any file system of this name (cloud-init's documentation, data source NoCloud).
_VOLUME = "cidata"


def seed_iso(files: Mapping[str, str]) -> bytes:
    """The image: Rock Ridge names for Linux, Joliet ones for Windows."""
    from pycdlib import PyCdlib  # late: 30 ms that only guests with a seed should pay

    iso = PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09", joliet=3, vol_ident=_VOLUME)
    for number, (name, text) in enumerate(files.items()):
        content = text.encode()
        iso.add_fp(BytesIO(content), len(content), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    image = BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()
