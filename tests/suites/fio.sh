#!/usr/bin/env bash
# Reads a file with checksums in it through a mount, by every engine that programs use, and makes
# sure that a single flipped byte would have been noticed. Needs fio, python3 and xorriso, which are
# Debian packages.
#
#   [DRIVER=erofs] tests/suites/fio.sh PROGRAM      PROGRAM is isodrive
set -euo pipefail
isodrive=$(readlink -f "${1:?the program isodrive}")
work=$(mktemp -d "${TMPDIR:-/var/tmp}/isodrive-fio.XXXXXX")
export HOME=$work ISODRIVE_STATE_DIR=$work/state
trap '"$isodrive" eject --if-mounted "$work/good" "$work/bad" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
cd "$work"

mkdir tree
fio --name=write --filename=tree/data --rw=write --bs=4k --size=32m --verify=crc32c \
    --do_verify=0 --output=write.log
xorriso -report_about SORRY -as mkisofs -R -o good.iso tree
"$isodrive" mount --driver "${DRIVER:-fuse}" --quiet good.iso good

read_all() { # DIRECTORY NAME OPTIONS...
    local at=$1 name=$2
    shift 2
    fio --name="$name" --filename="$at/data" --readonly --rw=randread --bs=4k --size=32m \
        --verify=crc32c --verify_state_load=0 --verify_fatal=1 --output="$name.log" "$@"
}
failed=0
for engine in "sync" "psync" "mmap" "libaio --direct=1 --iodepth=8" "io_uring --iodepth=8" \
    "io_uring --direct=1 --iodepth=8"; do
    if [[ $engine == *direct=1* && ${DRIVER:-fuse} == erofs ]]; then
        echo "not run $engine: EROFS over files offers nothing but the cache"
        continue
    fi
    # The words of an engine are its options.
    # shellcheck disable=SC2086
    if read_all good "read" --ioengine=$engine; then
        echo "ok      $engine"
    else
        echo "FAILED  $engine"; cat read.log; failed=1
    fi
done

# One byte in the middle of the data, flipped: every engine must find it.
cp good.iso bad.iso
python3 - <<'PYTHON'
place = open("good.iso", "rb").read().find(open("tree/data", "rb").read(4096)) + (16 << 20) + 999
image = open("bad.iso", "r+b")
image.seek(place)
byte = image.read(1)[0]
image.seek(place)
image.write(bytes([byte ^ 1]))
PYTHON
"$isodrive" mount --driver "${DRIVER:-fuse}" --quiet bad.iso bad
for engine in sync mmap "libaio --direct=1 --iodepth=8" "io_uring --iodepth=8"; do
    [[ $engine == *direct=1* && ${DRIVER:-fuse} == erofs ]] && continue
    # shellcheck disable=SC2086
    if read_all bad "flipped" --ioengine=$engine >/dev/null 2>&1; then
        echo "FAILED  $engine did not find the flipped byte"; failed=1
    else
        echo "ok      $engine found the flipped byte"
    fi
done
exit $failed
