#!/bin/sh
# A kernel and a shell for the lab's virtual machines, from Debian's packages, unpacked into a folder and never installed: no
# boot loader of this machine hears of them. What is left there is `vmlinux` (an ELF file with a PVH entry, which QEMU starts
# without unpacking it inside the guest, where that takes ten times as long), `initramfs` (busybox and the few modules that
# reach the disk and the network), and `modules` (those that an agent's machine loads by itself, as /lib/modules). Called by `bin/setup --lab`; does nothing when the newest is there.
#
# usage: guest-parts.sh FOLDER
set -eu
folder=$1
wanted="dm_mod loop i6300esb softdog netconsole button"
case $(uname -m) in x86_64) ;; *) exit 0 ;; esac
meta=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -n 1)
# Without a list of packages the kernel that is there will do.
[ -n "$meta" ] || [ ! -e "$folder/kernel" ] || exit 0
[ -n "$meta" ] || { echo "upkeep: apt knows no kernel for the lab's virtual machines" >&2; exit 1; }
if [ "$(cat "$folder/kernel" 2>/dev/null || true)" = "$meta" ] && [ "$(cat "$folder/wanted" 2>/dev/null || true)" = "$wanted" ]; then exit 0; fi
version=${meta#linux-image-}
mkdir -p "$folder"
work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
# apt's own user has no business in this folder.
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$meta" busybox-static)
for package in "$work"/*.deb; do dpkg -x "$package" "$work/parts"; done

# The bzImage holds the ELF kernel, packed, and its size in four bytes (Linux/x86 boot protocol: setup_sects, payload_offset,
# payload_length).
image=$work/parts/boot/vmlinuz-$version
number() { od -An -t u"$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
start=$((($(number 497 1) + 1) * 512 + $(number 584 4)))
tail -c +$((start + 1)) "$image" | head -c $(($(number 588 4) - 4)) > "$work/packed"
case $(od -An -t x1 -N 4 "$work/packed" | tr -d ' ') in
fd377a58) xz -dc "$work/packed" > "$work/vmlinux" ;;
28b52ffd) zstd -qdc "$work/packed" > "$work/vmlinux" ;;
*) echo "upkeep: $meta is packed in a way that is not known here" >&2; exit 1 ;;
esac

root=$work/root
mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/dev" "$root/sys" "$root/root"
cp "$work/parts/bin/busybox" "$root/bin/busybox"
PATH=$PATH:/usr/sbin:/sbin
depmod -b "$work/parts" "$version"
for module in virtio_pci virtio_blk virtio_net virtio_rng crc32c_generic ext4; do
  modprobe -d "$work/parts" -S "$version" --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*$/\1/p' | grep -v crc32c-intel | awk '!seen[$0]++' | while read -r file; do
  cp "$file" "$root/modules/"
  basename "$file"
done > "$work/order"
mv "$work/order" "$root/modules/order"
for module in $wanted; do
  modprobe -d "$work/parts" -S "$version" --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*$/\1/p' | sort -u | while read -r file; do
  own=$work/modules/${file#*/lib/modules/}
  mkdir -p "$(dirname "$own")"
  cp "$file" "$own"
done
mkdir -p "$work/base/lib"
cp "$work/parts/lib/modules/$version"/modules.builtin* "$work/parts/lib/modules/$version/modules.order" "$work/modules/$version/"
mv "$work/modules" "$work/base/lib/modules"
depmod -b "$work/base" "$version"
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
# The first disk is the machine: what its own init does stands there.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules/order
until mount -t ext4 -o ro /dev/vda /root 2>/dev/null; do sleep 0.1; done
mount --move /dev /root/dev
exec switch_root /root /bin/sh /init
INIT
chmod 755 "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) > "$work/initramfs"
cp "$root/bin/busybox" "$work/busybox"
rm -rf "$folder/modules"
mv "$work/vmlinux" "$work/initramfs" "$work/busybox" "$work/base/lib/modules" "$folder/"
echo "$wanted" > "$folder/wanted"
echo "$meta" > "$folder/kernel"
