# usage: LEVEL TABLE SPARES SERIAL...    On the machine: md10 over the first, md11 (with a bitmap) over the second partition
# of each disk, the last disk being a spare if SPARES is 1. Each has a file system whose data has checksums.
# TABLE is gpt or dos; with `efi`, a GPT, each disk has an EFI system partition too: make_esps.sh.
level=$1 table=$2 spares=$3
shift 3
case $table in
gpt) label=gpt type=R esp= ;;
efi) label=gpt type=R esp='size=20M,type=U\n' ;;
dos) label=dos type=fd esp= ;;
esac
disks=
tries=150
for serial; do
    until disk=$(lsblk -dno NAME,SERIAL | awk -v s="$serial" '$2 == s { print $1 }') && [ -n "$disk" ]; do sleep 0.2; tries=$((tries - 1)); [ $tries -gt 0 ]; done
    printf "label: $label\nsize=52M,type=$type\nsize=52M,type=$type\n$esp" | sfdisk --quiet "/dev/$disk"
    disks="$disks /dev/$disk"
done
udevadm settle
make() {
    array=$1 number=$2 bitmap=$3 members= count=0
    for disk in $disks; do
        case $disk in *[0-9]) part=p$number ;; *) part=$number ;; esac
        members="$members $disk$part" count=$((count + 1))
    done
    # Blank disks are in sync already.
    mdadm --create --run --assume-clean --metadata=1.2 --homehost=st2 --level="$level" --bitmap="$bitmap" \
        --raid-devices=$((count - spares)) "/dev/$array" $(echo $members | cut -d' ' -f1-$((count - spares)))
    [ "$spares" = 0 ] || mdadm "/dev/$array" --add "$(echo $members | cut -d' ' -f$count)"
    mke2fs -q -t ext4 "/dev/$array"
    mkdir -p "/mnt/$array"
    mount "/dev/$array" "/mnt/$array"
    dd if=/dev/urandom of="/mnt/$array/data" bs=1M count=16 status=none
    (cd "/mnt/$array"; sha256sum data > SUM)
}
make md10 1 none
make md11 2 internal
sync
