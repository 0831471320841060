"""libvirt's errors as ours, where they are raised."""

from collections.abc import Iterator
from contextlib import contextmanager

from vme.hypervisor.late import libvirt


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Raise libvirt's error as one of ours; `subject` says what was worked on: `web1 on kvm03`."""
    try:
        yield
    except libvirt.libvirtError as error:
        from vme.hypervisor.error_classes import as_vme_error

        raise as_vme_error(error, subject) from error
