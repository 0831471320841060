"""A storage machine that is a real Debian: two virtio-scsi disks in md mirrors, which can really be pulled."""
