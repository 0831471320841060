# Run in the chroot of the Debian that is being made.
# Nobody waits for data sources that are not here: the seed, or none.
echo 'datasource_list: [NoCloud, None]' >/etc/cloud/cloud.cfg.d/90-sources.cfg
# As the distribution's own cloud images have it; and nothing of what takes its time and fails here.
printf 'manage_etc_hosts: true\nlocale: false\nresize_rootfs: false\ngrowpart: {mode: "off"}\n' >/etc/cloud/cloud.cfg.d/91-lab.cfg
printf 'PARTUUID=a5a5a5a5-02 / ext4 noatime 0 1\n' >/etc/fstab
rm -f /etc/ssh/ssh_host_* /etc/machine-id
: >/etc/machine-id
printf 'UseDNS no\nPrintMotd no\n' >>/etc/ssh/sshd_config
systemctl enable --quiet systemd-networkd ssh
systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    dpkg-db-backup.timer systemd-timesyncd.service systemd-networkd-wait-online.service
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
