"""Many small guests at once, without disks."""

import uuid

from tests.lab.vme import Vme

GUEST = """\
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  {metadata}
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
</domain>
"""
TAG = "<metadata><vme:guest xmlns:vme='https://vme-tools.org/xmlns/1'><vme:tag>{tag}</vme:tag></vme:guest></metadata>"


def define(vme: Vme, node: str, guests: dict[str, str | None]) -> None:
    """Define guests without disks, in one batch: name -> tag, or None."""
    for name, tag in guests.items():
        metadata = "" if tag is None else TAG.format(tag=tag)
        vme.write(node, f"/tmp/batch-{name}.xml", GUEST.format(name=name, uuid=uuid.uuid4(), metadata=metadata))
    define_all = "for file in /tmp/batch-*.xml; do virsh -q define --validate $file; done; rm /tmp/batch-*.xml"
    vme.on(node, "sh", "-ec", define_all)
