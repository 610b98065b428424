#!/usr/bin/env bash
# EROFS with isodrive's metadata against the kernel's own ISO 9660 driver, in one virtual machine with
# Debian's kernel: systems to measure on seldom have both. `benches/vm.sh IMAGES`, where IMAGES is the
# folder of `cargo xtask bench`. Needs Debian's qemu-system-x86, kmod, xz-utils, zstd and cpio.
# Without KVM the machine is emulated: then only the ratios mean something, and they are of
# instructions carried out rather than of time.
set -euo pipefail
images=$(readlink -f "${1:?where are the images?}")
cd "$(dirname "$(readlink -f "$0")")/.."
cargo build --release --quiet -p isodrive-benches --bin guest
guest=target/release/guest
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The newest kernel at hand, unpacked and not installed.
package=$(apt-cache search --names-only '^linux-image-6\.[0-9.]+\+deb[0-9]+-amd64-unsigned$' | cut -d' ' -f1 | sort -V | tail -1)
: "${package:=$(apt-cache search --names-only '^linux-image-6\.[0-9.-]+-amd64-unsigned$' | cut -d' ' -f1 | sort -V | tail -1)}"
(cd "$work" && apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb kernel)
version=$(ls "$work/kernel/lib/modules")

root=$work/root
mkdir -p "$root/modules"
depmod -b "$work/kernel" "$version"
number=10
for module in virtio_pci virtio_blk isofs erofs; do
    modprobe -d "$work/kernel" -S "$version" --show-depends "$module" | { grep '^insmod' || true; } | cut -d' ' -f2
done | awk '!seen[$0]++' > "$work/modules"
while read -r path; do
    name=$(basename "${path%.xz}")
    case $path in *.xz) xz -dc "$path" ;; *) cat "$path" ;; esac > "$root/modules/$number-$name"
    number=$((number + 1))
done < "$work/modules"
cp "$guest" "$root/init"
for library in $(ldd "$guest" | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
(cd "$root" && find . | cpio -o -H newc --quiet | zstd -q > "$work/initrd.zst")

disks=()
for image in many live; do
    "$guest" --metadata "$images/$image.iso" "$work/$image.erofs"
    for file in "$images/$image.iso" "$work/$image.erofs"; do
        disks+=(-drive "if=virtio,format=raw,readonly=on,file=$file")
    done
done
accelerator=(-accel "tcg,thread=multi" -cpu max)
[ -z "${KVM:-}" ] || accelerator=(-enable-kvm -cpu host)
qemu-system-x86_64 "${accelerator[@]}" -m 6144 -smp 2 -nodefaults -display none -no-reboot \
    -serial stdio -kernel "$work"/kernel/boot/vmlinuz-* -initrd "$work/initrd.zst" \
    -append 'console=ttyS0 quiet panic=-1 mitigations=off' "${disks[@]}" < /dev/null
