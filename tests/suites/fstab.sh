#!/usr/bin/env bash
# Boots a Debian in a container and lets systemd's automount and automount(8) mount a disc by the lines
# of docs/MOUNTING.md. Needs root, debootstrap, systemd-container and xorriso, which are Debian
# packages; the Debian of the container is made once and kept.
#
#   [LOOKS=20] tests/suites/fstab.sh PROGRAM [ROOT]      PROGRAM is isodrive, ROOT a folder for the Debian
set -euo pipefail
isodrive=$(readlink -f "${1:?the program isodrive}")
root=${2:-/var/tmp/isodrive-debian}
looks=${LOOKS:-20}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/isodrive-fstab.XXXXXX")
machine=isodrive-fstab-$$
container=
ended() {
    # The container's init outlives its starter, unless that is asked to end.
    [ -z "$container" ] || { kill -TERM "$container" 2>/dev/null || true; }
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap ended EXIT

[ -e "$root/sbin/init" ] || debootstrap --variant=minbase \
    --include=systemd,systemd-sysv,fuse3,autofs,udev bookworm "$root" >"$work/debootstrap.log"
mkdir -p "$root/srv/iso" "$root/srv/www/rhel9" "$root/auto" "$work/tree"
echo sound >"$work/tree/file"
xorriso -report_about SORRY -as mkisofs -quiet -r -o "$root/srv/iso/rhel9.iso" "$work/tree"
cp "$isodrive" "$root/usr/bin/isodrive"
ln -sf /usr/bin/isodrive "$root/sbin/mount.isodrive"
ln -sf /usr/bin/isodrive "$root/sbin/mount.fuse.isodrive"
# The line of the document, but for the time until an unused mount goes.
grep '^/srv/iso/rhel9.iso .*x-systemd.automount' "$(dirname "$0")/../../docs/MOUNTING.md" |
    sed 's/idle-timeout=10min/idle-timeout=1s/' >"$root/etc/fstab"
echo "/auto /etc/auto.isodrive --timeout=1" >"$root/etc/auto.master"
echo "disc -fstype=fuse.isodrive,ro,allow_other :/srv/iso/rhel9.iso" >"$root/etc/auto.isodrive"
# Each look is the first one: what was mounted before is taken away.
cat >"$root/usr/local/bin/looks" <<LOOKS
#!/bin/bash
systemctl is-active --quiet autofs || systemctl restart autofs
for at in /srv/www/rhel9 /auto/disc; do
    slowest=0
    for look in \$(seq $looks); do
        before=\$(date +%s%N)
        [ "\$(timeout 20 cat \$at/file)" = sound ] || { echo "failed: look \$look at \$at"; exit; }
        took=\$((\$(date +%s%N) / 1000000 - before / 1000000))
        [ \$took -le \$slowest ] || slowest=\$took
        # Only the disc: the trigger below it stays.
        umount -t fuse.isodrive \$at || exit
        # systemd starts a unit five times in ten seconds at most, unless it is asked to forget.
        until [ "\$(systemctl is-active srv-www-rhel9.mount)" != active ]; do sleep 0.1; done
        systemctl reset-failed srv-www-rhel9.mount
    done
    echo "\$at: $looks of $looks looks, the slowest \$slowest ms"
done
echo done
LOOKS
chmod +x "$root/usr/local/bin/looks"
cat >"$root/etc/systemd/system/looks.service" <<UNIT
[Unit]
After=local-fs.target autofs.service
[Service]
Type=oneshot
ExecStart=/bin/bash -c '/usr/local/bin/looks >/looks.log 2>&1'
[Install]
WantedBy=multi-user.target
UNIT
ln -sf ../looks.service "$root/etc/systemd/system/multi-user.target.wants/looks.service"
rm -f "$root/looks.log"
systemd-nspawn --quiet --machine="$machine" --directory="$root" --boot --register=no --keep-unit \
    --bind=/dev/fuse --bind=/dev/autofs --capability=CAP_SYS_ADMIN --console=pipe \
    >"$work/boot.log" 2>&1 </dev/null &
container=$!
for _ in $(seq 300); do
    if grep -qs -e '^done' -e '^failed' "$root/looks.log"; then break; fi
    sleep 1
done
cat "$root/looks.log" 2>/dev/null || tail -20 "$work/boot.log"
grep -qs '^done' "$root/looks.log"
