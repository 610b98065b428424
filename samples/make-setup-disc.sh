#!/usr/bin/env bash
# Makes samples/setup-disc.iso: a bridge image shaped like a Windows setup DVD, a few hundred KB.
# Its UDF side holds the setup files; its ISO 9660 side only a note that says so, as on the real
# thing. Nothing in it comes from anywhere else. Needs genisoimage and openssl (Debian packages).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C TZ=UTC
disc=$work/disc
filler() { openssl enc -aes-128-ctr -K "$(printf '%s' "$1" | md5sum | cut -c1-32)" -iv 0 -in /dev/zero 2>/dev/null | head -c "$2" || true; }

mkdir -p "$disc"/{boot,efi/microsoft/boot,efi/boot,sources/{en-us,license},support/logging,upgrade}
printf '[autorun]\r\nopen=setup.exe\r\nicon=setup.exe,0\r\n' > "$disc/autorun.inf"
printf 'This disc contains a "UDF" file system and requires an operating system\r\nthat supports the ISO-13346 "UDF" file system specification.\r\n' > "$disc/README.TXT"
filler setup 15001 > "$disc/setup.exe"
filler bootmgr 10000 > "$disc/bootmgr"
filler bootmgr.efi 10000 > "$disc/bootmgr.efi"
filler etfsboot 4096 > "$disc/boot/etfsboot.com"
filler bcd 8192 > "$disc/boot/bcd"
filler efisys 16384 > "$disc/efi/microsoft/boot/efisys.bin"
filler bootx64 16384 > "$disc/efi/boot/bootx64.efi"
filler bootwim 30000 > "$disc/sources/boot.wim"
filler installwim 60000 > "$disc/sources/install.wim"
printf '[EditionID]\r\nProfessional\r\n[Channel]\r\nRetail\r\n[VL]\r\n0\r\n' > "$disc/sources/ei.cfg"
printf 'MinServer=7100\r\n' > "$disc/sources/cversion.ini"
printf 'Licence terms of a disc that is not for sale.\r\n' > "$disc/sources/license/license.rtf"
printf 'caption=Setup\r\n' > "$disc/sources/en-us/setup.exe.mui"
printf 'Nothing to log.\r\n' > "$disc/support/logging/readme.txt"
printf 'Nothing to upgrade.\r\n' > "$disc/upgrade/netfx.txt"
find "$disc" -depth -exec touch -d '2010-11-20 12:00:00 UTC' {} +

genisoimage -quiet -udf -no-pad -V SETUP_EN_DVD -publisher 'ISODRIVE' -appid 'SAMPLE SETUP DISC' \
    -b boot/etfsboot.com -no-emul-boot -boot-load-size 8 -c boot.cat \
    -eltorito-alt-boot -e efi/microsoft/boot/efisys.bin -no-emul-boot \
    -hide autorun.inf -hide setup.exe -hide bootmgr -hide bootmgr.efi -hide boot -hide efi \
    -hide sources -hide support -hide upgrade -hide boot.cat \
    -o setup-disc.iso "$disc" 2> "$work/log" || { cat "$work/log"; exit 1; }
