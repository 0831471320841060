# Run in the chroot of the Debian that is being made: what it finds on its disks, and who may log in.
install -d -m 700 /root/.ssh
install -m 600 /authorized_keys /root/.ssh/authorized_keys
rm -f /authorized_keys /etc/ssh/ssh_host_*
mv /etc/ssh/storage-vm /etc/ssh/ssh_host_ed25519_key
mv /etc/ssh/storage-vm.pub /etc/ssh/ssh_host_ed25519_key.pub
chmod 600 /etc/ssh/ssh_host_ed25519_key
chmod 755 /install
cat > /etc/ssh/sshd_config <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
PrintMotd no
END
echo st2 > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 st2\n' > /etc/hosts
cat > /etc/systemd/network/eth0.network <<'END'
[Match]
Name=eth0
[Network]
Address=10.78.0.60/24
LinkLocalAddressing=no
IPv6AcceptRA=no
END
cat > /etc/mdadm/mdadm.conf <<'END'
HOMEHOST <system>
MAILADDR root
ARRAY /dev/md0 UUID=00000000:00000000:00000000:0000c0de
ARRAY /dev/md1 UUID=00000000:00000000:00000000:0001c0de
END
cat > /etc/fstab <<'END'
UUID=00000000-0000-0000-0000-000000000c0d / ext4 noatime 0 1
/dev/md1 /srv ext4 noatime,nofail 0 2
END
systemctl enable --quiet systemd-networkd ssh
systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer dpkg-db-backup.timer man-db.timer systemd-timesyncd.service mdcheck_start.timer \
    mdmonitor-oneshot.timer systemd-networkd-wait-online.service
# Keys only; "*" and not "!", which sshd takes for a locked account.
usermod -p '*' root
printf 'raid1\nvirtio_scsi\nsd_mod\nvirtio_pci\n' >> /etc/initramfs-tools/modules
# The machine that makes it is slow, and nobody keeps it for long.
echo COMPRESSLEVEL=1 > /etc/initramfs-tools/conf.d/quick
update-initramfs -u
