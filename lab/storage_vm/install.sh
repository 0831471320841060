#!/bin/sh
# pid 1 of the installing machine: partition two disks, make the mirrors, copy this system onto them, make both bootable.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null; mount -t tmpfs run /run
for word in $(cat /proc/cmdline); do case $word in table=*) table=${word#table=} ;; esac; done
/lib/systemd/systemd-udevd --daemon
udevadm trigger; udevadm settle

# gpt and dos boot by BIOS (gpt has EFI system partitions all the same), efi by UEFI only.
case $table in
gpt) bios=1 esp=2 root=3 data=4 swap=5 fat=16 ;;
efi) bios= esp=1 root=2 data=3 swap=4 fat=32 ;;
dos) bios=1 esp= root=1 data=2 swap=3 ;;
esac

layout() {
    case $table in
    gpt) printf 'label: gpt\nsize=1M,type=21686148-6449-6E6F-744E-656564454649,name=bios\nsize=32M,type=U,name=efi\nsize=700M,type=R,name=root\nsize=96M,type=R,name=data\nsize=32M,type=S,name=swap\n' ;;
    efi) printf 'label: gpt\nsize=64M,type=U,name=efi\nsize=700M,type=R,name=root\nsize=96M,type=R,name=data\nsize=32M,type=S,name=swap\n' ;;
    dos) printf 'label: dos\nsize=700M,type=fd,bootable\nsize=96M,type=fd\nsize=32M,type=82\n' ;;
    esac
}

install_all() {
    set -eux
    a=$(readlink -f /dev/disk/by-id/*_a); b=$(readlink -f /dev/disk/by-id/*_b)
    for disk in $a $b; do layout | sfdisk --quiet $disk; done
    udevadm settle
    modprobe raid1
    mdadm --create /dev/md0 --run --assume-clean --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none \
        --homehost=st2 --uuid=00000000:00000000:00000000:0000c0de $a$root $b$root
    mdadm --create /dev/md1 --run --assume-clean --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal \
        --homehost=st2 --uuid=00000000:00000000:00000000:0001c0de $a$data $b$data
    mke2fs -q -t ext4 -U 00000000-0000-0000-0000-000000000c0d /dev/md0
    mke2fs -q -t ext4 /dev/md1
    mkdir -p /mnt
    mount /dev/md0 /mnt
    cp -ax /. /mnt
    rm -f /mnt/install /mnt/customise
    mkswap $a$swap; mkswap $b$swap
    for disk in $a $b; do
        echo "UUID=$(blkid -p -o value -s UUID $disk$swap) none swap sw,nofail,x-systemd.device-timeout=15s 0 0" >> /mnt/etc/fstab
    done
    kernel=$(cd /mnt/boot; echo vmlinuz-*); initrd=$(cd /mnt/boot; echo initrd.img-*)
    cat > /mnt/boot/grub/grub.cfg <<END
serial --unit=0
terminal_output serial
set timeout=0
insmod part_gpt
insmod part_msdos
insmod mdraid1x
insmod ext2
search --no-floppy --fs-uuid --set=root 00000000-0000-0000-0000-000000000c0d
linux /boot/$kernel root=UUID=00000000-0000-0000-0000-000000000c0d ro console=ttyS0 net.ifnames=0 panic=5 rootdelay=5
initrd /boot/$initrd
boot
END
    for part in proc sys dev run; do mount --bind /$part /mnt/$part; done
    for disk in $a $b; do
        [ -z "$bios" ] || chroot /mnt grub-install --target=i386-pc $disk
        [ -n "$esp" ] || continue
        mkfs.vfat -F $fat -n ESP $disk$esp
        mkdir -p /mnt/boot/efi
        mount $disk$esp /mnt/boot/efi
        # EFI/debian for the firmware's entries, EFI/BOOT for a firmware that has none.
        chroot /mnt grub-install --target=x86_64-efi --efi-directory=/boot/efi --no-nvram --bootloader-id=debian \
            --force-extra-removable
        ls -l /mnt/boot/efi/EFI/debian/grubx64.efi /mnt/boot/efi/EFI/BOOT/BOOTX64.EFI
        umount /mnt/boot/efi
    done
    if [ "$table" = efi ]; then
        # As Debian's installer has it, but for nofail: without it, the other half would not come up alone.
        echo "UUID=$(blkid -p -o value -s UUID $a$esp) /boot/efi vfat umask=0077,nofail,x-systemd.device-timeout=15s 0 1" >> /mnt/etc/fstab
    fi
    dd if=/dev/urandom of=/mnt/srv-is-not-mounted bs=1 count=1; rm /mnt/srv-is-not-mounted
    umount /mnt/proc /mnt/sys /mnt/dev /mnt/run
    mount /dev/md1 /mnt/srv
    for number in 1 2 3; do dd if=/dev/urandom of=/mnt/srv/data$number bs=1M count=16; done
    (cd /mnt/srv; sha256sum data1 data2 data3 > SHA256SUMS)
    umount /mnt/srv /mnt
    mdadm --stop /dev/md0 /dev/md1
    echo INSTALLED
}
(install_all) </dev/ttyS0 >/dev/ttyS0 2>&1
sync
echo 1 > /proc/sys/kernel/sysrq
echo o > /proc/sysrq-trigger
sleep 60
