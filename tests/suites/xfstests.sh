#!/usr/bin/env bash
# The helpers of xfstests that work on a read-only file system, on a mount of isodrive. Fetches
# nothing: xfstests is a source folder of the caller's. Needs gcc and xorriso.
#
#   [DRIVER=erofs] tests/suites/xfstests.sh PROGRAM XFSTESTS-SOURCE
set -euo pipefail
isodrive=$(readlink -f "${1:?the program isodrive}")
source=$(readlink -f "${2:?the source folder of xfstests}")
work=$(mktemp -d "${TMPDIR:-/var/tmp}/isodrive-xfstests.XXXXXX")
export HOME=$work ISODRIVE_STATE_DIR=$work/state
trap '"$isodrive" eject --lazy --if-mounted "$work/here" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
cd "$work"

# t_dir_offset2 takes some 500 entries at most.
mkdir -p tree/many tree/kinds/folder
for number in $(seq 400); do echo "$number" > "tree/many/name-$number"; done
echo x > tree/kinds/file
ln -s file tree/kinds/link
mkfifo tree/kinds/pipe
head -c 3000000 /dev/urandom > tree/data
xorriso -report_about SORRY -as mkisofs -R -o disc.iso tree
"$isodrive" mount --driver "${DRIVER:-fuse}" --quiet disc.iso here

for name in t_dir_offset2 t_readdir_1 t_readdir_2 t_dir_type mmapcat; do
    gcc -O1 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -w -o "$name" "$source/src/$name.c"
done
failed=0
check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" > "$name.log" 2>&1; then echo "ok      $name"; else
        echo "FAILED  $name"; tail -5 "$name.log"; failed=1
    fi
}
endless() { timeout 10 "$@" || [ $? = 124 ]; }
kinds() {
    ./t_dir_type here/kinds | sort > got
    printf '. d\n.. d\nfile f\nfolder d\nlink l\npipe p\n' | sort > want
    diff want got
}
same() { ./mmapcat here/data | cmp - tree/data; }
check t_dir_offset2 ./t_dir_offset2 here/many
check t_readdir_1 ./t_readdir_1 here/many
check t_readdir_2 endless ./t_readdir_2 here/many
check t_dir_type kinds
check mmapcat same
exit $failed
