#!/usr/bin/env bash
# The 17 tests of the Linux Test Project that expect EROFS of a read-only file system, on a mount of
# isodrive. Fetches nothing: LTP is a source folder of the caller's, which must be configured
# (`make autotools && ./configure`). Needs root, gcc, make and xorriso.
#
#   [DRIVER=erofs] tests/suites/ltp.sh PROGRAM LTP-SOURCE
set -euo pipefail
isodrive=$(readlink -f "${1:?the program isodrive}")
ltp=$(readlink -f "${2:?the source folder of LTP}")
tests="lchown02 fchownat03 mkdirat02 access04 acct01 fchmod06 rmdir02 mkdir03 chmod06 link08
    unlink10 chown04 creat06 utime06 utimes01 mknod07 fchown04"
[ -f "$ltp/include/mk/config.mk" ] || { echo "$ltp is not configured" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/var/tmp}/isodrive-ltp.XXXXXX")
export HOME=$work ISODRIVE_STATE_DIR=$work/state TMPDIR=$work
trap '"$isodrive" eject --lazy --if-mounted "$work/here" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
cd "$work"

# What LTP's fixture makes on its own read-only file system: a folder and a file, open for all.
mkdir -p tree/dir
echo "file content" > tree/file
chmod 0777 tree/dir tree/file
xorriso -report_about SORRY -as mkisofs -R -o disc.iso tree
"$isodrive" mount --driver "${DRIVER:-fuse}" --quiet --allow-other --permissions image disc.iso here
chmod 0755 "$work"

# The fixture fills a tmpfs and makes it read-only by a remount. That remount becomes a bind mount
# of ours over it; everything else stays as LTP has it.
cat > rofs.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
int mount(const char *source, const char *target, const char *type, unsigned long flags,
          const void *data)
{
    int (*real)(const char *, const char *, const char *, unsigned long, const void *) =
        dlsym(RTLD_NEXT, "mount");
    if (type && !strcmp(type, "tmpfs") && (flags & MS_REMOUNT) && (flags & MS_RDONLY)) {
        if (umount2(target, MNT_DETACH))
            return -1;
        return real(getenv("ISODRIVE_ROFS"), target, NULL, MS_BIND, NULL);
    }
    return real(source, target, type, flags, data);
}
C
gcc -shared -fPIC -o rofs.so rofs.c -ldl

passed=0 failed=0
for name in $tests; do
    folder=$(find "$ltp/testcases/kernel/syscalls" -name "$name.c" -printf '%h' -quit)
    make -s -C "$folder" "$name" >/dev/null
    ISODRIVE_ROFS=$work/here LD_PRELOAD=$work/rofs.so "$folder/$name" > "$name.log" 2>&1 || true
    this=$(sed -n 's/^passed *//p' "$name.log" | tail -1)
    bad=$(sed -n 's/^\(failed\|broken\) *//p' "$name.log" | paste -sd+ | bc)
    echo "$name: ${this:-0} passed, ${bad:-?} failed"
    passed=$((passed + ${this:-0}))
    failed=$((failed + ${bad:-1}))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
