# On the machine: fail unless md10 and md11 are whole, their data has its checksums, and their members hold the same.
echo 3 > /proc/sys/vm/drop_caches
for array in md10 md11; do
    (cd /mnt/$array; sha256sum --quiet -c SUM)
    echo check > /sys/block/$array/md/sync_action
    while [ "$(cat /sys/block/$array/md/sync_action)" != idle ]; do sleep 0.2; done
    [ "$(cat /sys/block/$array/md/mismatch_cnt)" = 0 ]
    mdadm --detail --test /dev/$array >/dev/null
done
