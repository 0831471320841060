# usage: SERIAL SERIAL    On the machine: md12 over two whole disks of virtio, with a file system whose data has checksums.
members=
for serial; do
    until disk=$(lsblk -dno NAME,SERIAL | awk -v s="$serial" '$2 == s { print $1 }') && [ -n "$disk" ]; do sleep 0.2; done
    members="$members /dev/$disk"
done
mdadm --create --run --assume-clean --metadata=1.2 --homehost=st2 --level=1 --bitmap=none --raid-devices=2 \
    /dev/md12 $members
mke2fs -q -t ext4 /dev/md12
mkdir -p /mnt/md12
mount /dev/md12 /mnt/md12
dd if=/dev/urandom of=/mnt/md12/data bs=1M count=16 status=none
(cd /mnt/md12; sha256sum data > SUM)
