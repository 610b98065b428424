#!/usr/bin/env bash
# Makes a folder with all that building and running for Windows takes on a Debian 12 machine:
# a standard library for each target, Wine with what Rust's lacks in it, and what stands in for
# Microsoft's libraries at link time. From Debian's packages and crates alone; nothing of
# Microsoft's is fetched or needed. Run by `cargo xtask windows`:  set-up.sh FOLDER
# What is there already is left as it is.
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
sysroot=$folder/sysroot
rustc=/usr/bin/rustc
cargo=/usr/bin/cargo
wine=/usr/lib/wine/wine64
began=$(date +%s)
say() { printf 'set-up: %s (%s s)\n' "$*" "$(($(date +%s) - began))"; }

# The compiler of Debian's browser packages: its source comes as a package of the same version, so
# that a standard library can be built for any target.
install_packages() {
    local wanted=(
        ca-certificates gcc libc6-dev
        rustc-web cargo-web rust-web-src rust-web-clippy
        gcc-mingw-w64-x86-64-win32 mingw-w64-x86-64-dev
        wine64
    )
    local missing=()
    for package in "${wanted[@]}"; do
        [ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    local sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

check_source() {
    local version
    version=$($rustc -vV | sed -n 's/^release: //p')
    [ -d "/usr/src/rustc-$version/library/std" ] && return 0
    echo "set-up: rust-web-src is not of rustc-web's version $version" >&2
    exit 1
}

# standard_library TARGET build|check: with `check` as much of it as checking takes.
standard_library() {
    local target=$1 how=$2
    local into=$sysroot/lib/rustlib/$target/lib scratch=$folder/std-$target
    [ -e "$into/.$how" ] && return 0
    say "standard library for $target"
    rm -rf "$scratch" "$into"
    mkdir -p "$scratch/src" "$into"
    echo '#![no_std]' > "$scratch/src/lib.rs"
    cat > "$scratch/Cargo.toml" <<'T'
[package]
name = "nothing"
version = "0.0.0"
edition = "2021"
# Or it would be taken for a part of the workspace that it may lie in.
[workspace]
[profile.release]
debug = 1
T
    local crates=std,panic_unwind,panic_abort,proc_macro ending=rmeta
    [ "$how" = check ] || { crates+=,test; ending=rlib; }
    # Only here the compiler is made to take what is not stable: the project itself is built
    # without that.
    (cd "$scratch" && env -u RUSTFLAGS -u CARGO_TARGET_DIR RUSTC=$rustc RUSTC_BOOTSTRAP=1 \
        CARGO_HOME="$folder/cargo-home-$target" \
        $cargo "$how" --quiet --release -Zbuild-std=$crates --target "$target")
    find "$scratch/target/$target/release/deps" -name "lib*.$ending" ! -name 'libnothing*' \
        -exec cp -t "$into" {} +
    rm -rf "$scratch" "$folder/cargo-home-$target"
    touch "$into/.$how"
}

standard_libraries() {
    mkdir -p "$sysroot/lib/rustlib"
    ln -sfn /usr/lib/rustlib/x86_64-unknown-linux-gnu "$sysroot/lib/rustlib/x86_64-unknown-linux-gnu"
    # Two at a time: each of them is a chain of crates that wait for one another.
    export -f standard_library say
    export folder sysroot rustc cargo began
    printf '%s\n' \
        'x86_64-pc-windows-gnu build' 'x86_64-pc-windows-msvc build' \
        'aarch64-pc-windows-msvc check' 'aarch64-apple-darwin check' \
        'x86_64-unknown-freebsd check' |
        xargs -P 2 -L 1 bash -euo pipefail -c 'standard_library "$@"' -
}

# A Wine with the one library that Rust's programs want and Wine 8 lacks.
wine_prefix() {
    export WINEPREFIX=$folder/wine WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= DISPLAY=
    local system=$WINEPREFIX/drive_c/windows/system32
    [ -e "$system/bcryptprimitives.dll" ] && return 0
    say "Wine"
    "$wine" wineboot --init > /dev/null 2>&1 || true
    [ -e "$system/kernel32.dll" ] || { echo "set-up: Wine made no prefix" >&2; exit 1; }
    x86_64-w64-mingw32-gcc -O2 -shared -s -o "$system/bcryptprimitives.dll" "$here/random.c" -ladvapi32
}

# import_library DLL NAME SYMBOL...: what the linker takes for the library of a DLL.
import_library() {
    local dll=$1 name=$2
    shift 2
    { printf 'LIBRARY %s\nEXPORTS\n' "$dll"; printf '%s\n' "$@"; } > "$name.def"
    x86_64-w64-mingw32-dlltool -d "$name.def" -l "$name.lib"
}

# What `+crt-static` asks for. Microsoft's would become a part of the program; what stands in for it
# here comes from the old C run-time that is a part of every Windows, and where that one lacks a
# function, from mingw-w64's own code.
static_run_time() {
    local libraries=/usr/x86_64-w64-mingw32/lib name theirs=() own=()
    declare -A there=() member=()
    while read -r name; do there[$name]=1; done < <(
        x86_64-w64-mingw32-nm -g --defined-only "$libraries/libmsvcrt.a" 2> /dev/null | sed -n 's/^[0-9a-f]* I __imp_//p'
    )
    while read -r name; do member[$name]=1; done < <(x86_64-w64-mingw32-ar t "$libraries/libmingwex.a")
    for name in "$@"; do
        if [ "${there[$name]-}" ]; then
            theirs+=("$name")
        elif [ "${member[lib64_libmingwex_a-$name.o]-}" ]; then
            own+=("lib64_libmingwex_a-$name.o")
        fi
    done
    import_library msvcrt.dll libcmt "${theirs[@]}" __CxxFrameHandler3
    x86_64-w64-mingw32-ar x "$libraries/libmingwex.a" "${own[@]}"
    x86_64-w64-mingw32-ar q libcmt.lib "${own[@]}"
}

# What Microsoft's build tools would bring to the link: import libraries, made from names, and the
# few functions of its C run-time that a Rust program begins with. For tests alone: a program for
# people is linked on Windows, with the real ones.
msvc_kit() {
    local kit=$folder/msvc
    [ -e "$kit/.static" ] && return 0
    say "link kit"
    mkdir -p "$kit"
    cd "$kit"
    local library names
    for library in kernel32 ntdll userenv ws2_32 dbghelp advapi32 ole32 oleaut32 shell32 user32; do
        mapfile -t names < <(
            x86_64-w64-mingw32-nm -g --defined-only "/usr/x86_64-w64-mingw32/lib/lib$library.a" 2> /dev/null |
                sed -n 's/^[0-9a-f]* I __imp_//p' | sort -u
        )
        # mingw-w64's list lacks one that Rust's standard library calls.
        [ "$library" != ntdll ] || names+=(NtCreateNamedPipeFile)
        import_library "$library.dll" "$library" "${names[@]}"
    done
    # What a program asks for that is linked without `+crt-static`, so that it shows in its imports.
    import_library vcruntime140.dll vcruntime \
        __CxxFrameHandler3 _CxxThrowException memcpy memmove memset memcmp
    mapfile -t names < "$here/ucrt-names.txt"
    import_library ucrtbase.dll ucrt "${names[@]}"
    printf '%s\n' 'create msvcrt.lib' 'addlib vcruntime.lib' 'addlib ucrt.lib' save end | x86_64-w64-mingw32-ar -M
    static_run_time "${names[@]}" _CxxThrowException memcpy memmove memset memcmp
    for library in legacy_stdio_definitions oldnames; do
        printf '!<arch>\n' > "$library.lib"
    done
    # An archive, of which the linker takes what it needs: a program's beginning or a library's.
    local part
    for part in runtime program library; do
        x86_64-w64-mingw32-as "$here/$part.s" -o "$part.obj"
    done
    x86_64-w64-mingw32-ar rcs start.lib runtime.obj program.obj library.obj
    touch .static
}

install_packages
check_source
standard_libraries
wine_prefix
msvc_kit
say "done"
