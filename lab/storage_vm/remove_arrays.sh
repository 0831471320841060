# On the machine: no array but those it runs from, however broken.
umount /boot/efi 2>/dev/null || true
echo 200000 > /proc/sys/dev/raid/speed_limit_max
echo 1000 > /proc/sys/dev/raid/speed_limit_min
for array in $(ls /sys/block | grep -vx 'md[01]' | grep ^md); do
    umount /dev/$array || umount -l /dev/$array || true
    mdadm --stop /dev/$array || true
done 2>/dev/null
