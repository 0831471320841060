# usage: NAME VOLUME NAME VOLUME    On the machine: a FAT32 of that volume id, with a loader, on the third partition of each
# disk; the first is mounted on /boot/efi.
mkdir -p /boot/efi
for turn in 1 2; do
    mkfs.vfat -F 32 -n ESP -i "$2" "/dev/${1}3" >/dev/null
    mount "/dev/${1}3" /boot/efi
    mkdir -p /boot/efi/EFI/BOOT
    echo "a loader" > /boot/efi/EFI/BOOT/BOOTX64.EFI
    umount /boot/efi
    [ $turn = 2 ] || first=/dev/${1}3
    shift 2
done
mount "$first" /boot/efi
sync
