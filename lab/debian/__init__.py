"""A real Debian as a guest: cloud-init, sshd, the guest agent; on a disk that a BIOS and a UEFI boot."""
