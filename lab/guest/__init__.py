"""The lab's guest: a small real system on a bootable disk image, built from the distribution's packages."""
