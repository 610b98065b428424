#!/usr/bin/env bash
# Builds the images of this folder and their golden trees. Needs Debian 12 with genisoimage,
# xorriso, udftools, zstd, and a kernel oracle: a program that mounts an image with the Linux
# drivers and prints a manifest (KERNEL_ORACLE=/path/to/kernel-oracle).
#
#   KERNEL_ORACLE=... tests/corpus/build.sh
#
# The discs that the tests make themselves (tests/src/make) get golden trees in generated/; they are
# not kept, since the tests make them again each time.
#
# Everything in the images is made here, from fixed names, bytes and times.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
oracle=${KERNEL_ORACLE:?path of the kernel oracle}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH=1262304000

# Bytes that depend on nothing but a name and a length.
bytes() { openssl enc -aes-128-ctr -K "$(printf '%s' "$1" | md5sum | cut -c1-32)" -iv 0 -in /dev/zero 2>/dev/null | head -c "$2" || true; }

# A small tree with what file systems get wrong: names, links, modes, sizes, times, depth.
tree() {
    local t=$1
    mkdir -p "$t/docs" "$t/empty" "$t/names" "$t/modes" "$t/sizes"
    echo 'read me' > "$t/README.TXT"
    echo 'lower' > "$t/docs/notes.txt"
    for n in 0 1 2047 2048 2049 65536 100001; do bytes "s$n" "$n" > "$t/sizes/$n.bin"; done
    echo x > "$t/names/no_extension"; echo x > "$t/names/two.dots.tar.gz"
    echo x > "$t/names/$(printf 'n%.0s' $(seq 1 50)).txt"
}
posix() {
    local t=$1 d=$1/deep
    for n in 1 2 3 4 5 6 7 8 9 10 11; do d=$d/l$n; done
    mkdir -p "$d"; echo bottom > "$d/bottom.txt"
    ln -s ../README.TXT "$t/docs/link"; ln -s /etc/hostname "$t/docs/absolute"; ln -s nowhere "$t/dangling"
    ln -s "$(printf 'component/%.0s' $(seq 1 20))end" "$t/long-link"
    for m in 0400 0644 0755 0711 0000; do echo "$m" > "$t/modes/$m"; chmod $m "$t/modes/$m"; done
    chown 1000:100 "$t/modes/0644"; chown 70000:70001 "$t/modes/0755"
    mkfifo "$t/modes/fifo"; mknod "$t/modes/null" c 1 3
    echo x > "$t/names/$(printf 'r%.0s' $(seq 1 200))"
}
unicode() {
    local t=$1
    echo x > "$t/names/caf$(printf '\xc3\xa9').txt"; echo x > "$t/names/$(printf '\xe4\xb8\xad\xe6\x96\x87')"
    echo x > "$t/names/$(printf '\xf0\x9f\x92\xbf') disc"
}
clock() { find "$1" -depth -exec touch -h -d '2010-01-01 00:00:00 UTC' {} +; }
pack() { zstd -q -19 --rm -f "$1" -o "$2.zst"; }
golden() {
    "$oracle" "$work/$1" --matrix | sed -E 's/,"dmesg": \[[^]]*\]//; s/, "blkid": \{.*\}\}$/}/' > "$1.manifest.jsonl"
    pack "$work/$1" "$1"
    echo "$1"
}

rm -f ./*.zst ./*.jsonl generated/*.jsonl
mkdir "$work/plain"; tree "$work/plain"; clock "$work/plain"
mkdir "$work/full"; tree "$work/full"; posix "$work/full"; unicode "$work/full"; clock "$work/full"
mkdir "$work/uni"; tree "$work/uni"; unicode "$work/uni"; clock "$work/uni"

genisoimage -quiet -iso-level 1 -V PLAIN -o "$work/plain.iso" "$work/plain" 2>/dev/null;        golden plain.iso
xorriso -report_about SORRY -as mkisofs -J -joliet-long -joliet-utf16 -V Joliet -o "$work/joliet.iso" "$work/uni"; golden joliet.iso
# genisoimage moves deep directories away (CL, PL, RE); libisofs leaves them in place.
genisoimage -quiet -R -input-charset utf-8 -V RELOCATED -o "$work/rockridge-relocated.iso" "$work/full" 2>/dev/null; golden rockridge-relocated.iso
xorriso -report_about SORRY -as mkisofs -R -J -joliet-long -V RR_JOLIET -o "$work/rockridge-joliet.iso" "$work/full"; golden rockridge-joliet.iso

# A bridge disc as of a Windows setup DVD: the ISO 9660 side holds a note and nothing else.
mkdir "$work/bridge"; tree "$work/bridge"; echo 'This disc needs UDF.' > "$work/bridge/NOTE.TXT"; clock "$work/bridge"
(cd "$work" && genisoimage -quiet -udf -hide README.TXT -hide docs -hide empty -hide names -hide modes -hide sizes \
    -V BRIDGE -o bridge.iso bridge 2>/dev/null); golden bridge.iso

# A file of 4 GiB and a bit in several extents, all holes but for marks around 2 and 4 GiB.
mkdir "$work/large"
truncate -s $((4294967296 + 5000)) "$work/large/large.bin"
for at in 0 2147483640 2147485688 4294965240 4294967290; do
    printf 'mark %016x' "$at" | dd of="$work/large/large.bin" bs=1 seek="$at" conv=notrunc status=none
done
clock "$work/large"
xorriso -report_about SORRY -as mkisofs -iso-level 3 -R -V LARGE -o "$work/large.iso" "$work/large"; golden large.iso

# UDF by the Linux driver on volumes of mkudffs: every block size and revision of plain partitions.
cp -a "$work/full" "$work/udf-tree"
cat > "$work/fill.sh" <<'FILL'
mount -t udf -o rw $DEV0 /mnt && cp -a /io/udf-tree/. /mnt/ && umount /mnt
FILL
for spec in 512:1.02 1024:1.50 2048:2.01 4096:2.01; do
    bs=${spec%:*}; rev=${spec#*:}; name=udf-$rev-$bs.udf
    truncate -s 4M "$work/$name"
    mkudffs -m hd -b "$bs" -r "$rev" -l "UDF $rev $bs" --uuid 0123456789abcdef "$work/$name" > /dev/null
    "$oracle" exec --rw --put "$work/udf-tree" "$work/$name" "$work/fill.sh" > /dev/null
    golden "$name"
done

# A file of 4 GiB and a bit on UDF: recorded around the borders of extents of 2^30 - 1 bytes and at its
# end (the driver leaves the tail of a file without any extent otherwise), holes between.
cat > "$work/large.sh" <<'FILL'
mount -t udf -o rw $DEV0 /mnt && truncate -s 4294972296 /mnt/large.bin
for at in 0 1073739776 1073741823 2147483640 3221225470 4294967290 4294972275; do
    printf 'mark %016x' "$at" | dd of=/mnt/large.bin bs=1 seek="$at" conv=notrunc 2> /dev/null
done
touch -d '2010-01-01 00:00:00' /mnt/large.bin; umount /mnt
FILL
truncate -s 8M "$work/udf-large.udf"
mkudffs -m hd -b 2048 -r 2.01 -l "UDF LARGE" --uuid 0123456789abcdef "$work/udf-large.udf" > /dev/null
"$oracle" exec --rw "$work/udf-large.udf" "$work/large.sh" > /dev/null
golden udf-large.udf

# Compressed files, in blocks that the last one does not fill; one of a size below zisofs' interest.
mkdir "$work/packed"; bytes z 300001 > "$work/packed/random.bin"
{ yes 'the same line again and again' || true; } | head -c 200000 > "$work/packed/text.txt"
head -c 100000 /dev/zero > "$work/packed/zeros.bin"; echo short > "$work/packed/short.txt"; clock "$work/packed"
xorriso -report_about SORRY -outdev "$work/zisofs.iso" -volid ZISOFS -map "$work/packed" / \
    -set_filter_r --zisofs / -- -commit; golden zisofs.iso

# A hybrid disc with an HFS+ side.
xorriso -report_about SORRY -as mkisofs -R -hfsplus -V HYBRID -o "$work/hfsplus.iso" "$work/uni"
"$oracle" "$work/hfsplus.iso" --case hfsplus > "$work/hfsplus.jsonl"
golden hfsplus.iso
sed -E 's/,"dmesg": \[[^]]*\]//; s/, "blkid": \{.*\}\}$/}/' "$work/hfsplus.jsonl" >> hfsplus.iso.manifest.jsonl

# Three sessions, each with the tree of what is left by then; `sbsector` mounts the one asked for.
multi=$work/multisession.iso
for n in 1 2 3; do
    mkdir -p "$work/session$n"; echo "session $n" > "$work/session$n/only-$n.txt"
    echo "as of $n" > "$work/session$n/same.txt"; clock "$work/session$n"
done
genisoimage -quiet -R -V SESSION_1 -o "$multi" "$work/session1" 2>/dev/null
start=0
for n in 2 3; do
    next=$((($(stat -c %s "$multi") / 2048 + 31) / 32 * 32))
    genisoimage -quiet -R -V "SESSION_$n" -C "$start,$next" -M "$multi" -o "$work/s$n" "$work/session$n" 2>/dev/null
    truncate -s $((next * 2048)) "$multi"; cat "$work/s$n" >> "$multi"
    start=$next
    "$oracle" "$multi" --case "iso9660:sbsector=$next,iocharset=utf8" |
        sed -E "s/sbsector=$next,//; s/,\"dmesg\": \[[^]]*\]//; s/, \"blkid\": \{.*\}\}\$/}/" > "multisession.iso.session$n.jsonl"
done
golden multisession.iso

# The discs that the tests make: hidden files are asked for by name of an option here.
mkdir -p generated "$work/generated"
cargo run --quiet --package isodrive-tests --example make-discs -- "$work/generated"
for disc in "$work/generated"/*; do
    case $(basename "$disc") in
        udf-*) how=udf:unhide ;;
        hfs-*) how=hfs ;;
        iso-512) how=iso9660:norock,nojoliet,map=off,block=512 ;;
        iso-1024*) how=iso9660:norock,nojoliet,map=off,block=1024 ;;
        iso-interleaved) continue ;; # the driver gives the bytes of the gaps
        *) how=iso9660:norock,nojoliet,map=off ;;
    esac
    "$oracle" "$disc" --case "$how" |
        sed -E 's/"case": "udf:unhide"/"case": "udf"/; s/,block=[0-9]*"/"/; s/,"dmesg": \[[^]]*\]//; s/, "blkid": \{.*\}\}$/}/' \
        > "generated/$(basename "$disc").manifest.jsonl"
done
