# SPDX-License-Identifier: GPL-2.0-or-later
# What writes a disk from the network, one function for each: its name, its inputs, its command, whether it verifies. And
# the limits: one step of the way alone. Sourced by tests/bench/write, which sets:
#   base     URL of the folder with the inputs
#   service  URL of the service, with $item
#   target   the device or file that is written
# A function sets:
#   title     as the table shows it
#   verifies  what is compared with a digest, and when; "no" in front if nothing that a forger could not make right
#   inputs    files in $cache that it needs (make_input)
#   command   for bash with pipefail. Flushing the target is added to it, unless `writes` is "no"
#   skip      why it cannot run here; empty: it can
# shellcheck shell=bash disable=SC2034,SC2154 # variables are of and for tests/bench/write

# to_target [OPERAND...]: direct writes, gathered from the pipe: what is quickest with dd
to_target()
{
	echo "dd of='$target' bs=1M iflag=fullblock oflag=direct,seek_bytes conv=nocreat,notrunc status=none $*"
}

# need PROGRAM PACKAGE
need()
{
	command -v "$1" >/dev/null || skip="not installed; Debian's package is $2"
}

peer_vmcast()
{
	title="vmcast-boot write"
	verifies="each chunk, before it is written"
	inputs=(disk.raw.zst)
	command="'$BUILD/vmcast-boot' write --server '$service' --item '$item' --disk '$target'"
}

peer_curl-zstd-dd()
{
	title="curl | zstd -d | dd"
	inputs=(disk.raw.zst)
	command="curl -sSf '$base/disk.raw.zst' | zstd -dcq | $(to_target)"
}

# As `tee >(sha256sum)`, which no shell waits for.
peer_curl-zstd-dd-sha256()
{
	title="curl | tee sha256 | zstd | dd"
	verifies="the whole file, after writing"
	inputs=(disk.raw.zst disk.raw.zst.sha256)
	command="rm -f '$work/tee'; mkfifo '$work/tee'; sha256sum <'$work/tee' >'$work/sum' &
		curl -sSf '$base/disk.raw.zst' | tee '$work/tee' | zstd -dcq | $(to_target) &&
		wait \$! && cmp '$work/sum' '$cache/disk.raw.zst.sha256'"
}

peer_curl-zstd-sparse()
{
	title="curl | zstd -d --sparse"
	inputs=(disk.raw.zst)
	command="curl -sSf '$base/disk.raw.zst' | zstd -dcq --sparse 1<>'$target'"
}

# Plain qcow2 and a long read-ahead are what it is quickest with. With more than one request at once its HTTP driver (QEMU 7.2)
# can wait for ever: with two of them in one run of a hundred, with four in one of three. With one, in none.
peer_qemu-img()
{
	title="qemu-img convert, qcow2"
	need qemu-img qemu-utils
	compgen -G '/usr/lib/*/qemu/block-curl.so' >/dev/null || skip="no HTTP driver; Debian's package is qemu-block-extra"
	inputs=(disk.qcow2)
	command="qemu-img convert -n -O raw -t none -m 1 \
		'json:{\"driver\": \"qcow2\", \"file\": {\"driver\": \"${base%%:*}\", \"url\": \"$base/disk.qcow2\", \"readahead\": 4194304}}' \
		'$target'"
}

peer_nbdcopy()
{
	title="nbdcopy, nbdkit curl, raw"
	need nbdcopy libnbd-bin
	need nbdkit nbdkit
	inputs=(disk.raw)
	command="nbdcopy --flush -- [ nbdkit curl 'url=$base/disk.raw' ] '$target'"
}

peer_bmaptool()
{
	title="bmaptool copy, .zst"
	verifies="each mapped range, after reading it"
	need bmaptool bmap-tools
	inputs=(disk.raw.zst disk.bmap)
	command="bmaptool -q copy --bmap '$base/disk.bmap' '$base/disk.raw.zst' '$target'"
}

# Nothing on the target is worth looking at, which takes it twice the time.
peer_casync()
{
	title="casync extract"
	verifies="each chunk, before it is written"
	need casync casync
	inputs=(disk.caibx)
	command="casync extract --seed-output=no --store='$base/disk.castr' '$base/disk.caibx' '$target'"
}

# As Clonezilla does it: one partclone image for each file system, and the rest of the disk with dd.
peer_partclone()
{
	local nr offset size end

	title="partclone.restore, dd"
	verifies="no (CRC-32 of blocks)"
	need partclone.restore partclone
	disk_is_whole || { skip="a disk of this size is cut off, and its file systems with it"; return 0; }
	inputs=(partclone)
	command="curl -sSf '$base/partclone/begin.zst' | zstd -dcq | $(to_target)"
	while read -r _ nr offset size; do
		end=$((offset + size))
		command+=" && curl -sSf '$base/partclone/$nr.zst' | zstd -dcq |
			partclone.restore -q -C -s - -o '$target' -E $offset -L '$work/partclone.log'"
	done < <(file_systems)
	command+=" && curl -sSf '$base/partclone/end.zst' | zstd -dcq | $(to_target seek=$end)"
}

peer_swupdate()
{
	title="swupdate, zstd"
	verifies="the whole file, while writing"
	need swupdate "swupdate (not installed by make bench: it starts a service)"
	inputs=(disk.raw.zst signer.pem)
	command="swupdate -H bench:1 -k '$cache/signer.pem' -d '-u ${base%/inputs}/disk.swu'"
}

# RAUC has no way without its service on a D-Bus; one of their own is as good. It can only stream with kernel modules
# (nbd, dm-verity), so that the bundle comes into a file first.
peer_rauc()
{
	title="curl to file, rauc install"
	verifies="the whole file, before writing"
	need rauc rauc
	need dbus-run-session dbus-daemon
	[[ -b $target ]] || skip="mounts its bundle, which takes root and a loop device"
	inputs=(disk.raucb)
	command="curl -sSf '$base/disk.raucb' -o '$work/disk.raucb' && dbus-run-session -- sh '$work/rauc.sh'"
}

peer_limit-download()
{
	title="limit: download"
	inputs=(disk.raw.zst)
	writes=no
	command="curl -sSf '$base/disk.raw.zst' -o /dev/null"
}

peer_limit-decompress()
{
	title="limit: decompress"
	inputs=(disk.raw.zst)
	writes=no
	command="zstd -dcq '$cache/disk.raw.zst' >/dev/null"
}

# From a file that is in memory and has holes, which are zeroed by one call.
peer_limit-write()
{
	title="limit: write"
	inputs=(disk.raw)
	command="$(zero_command) && dd if='$disk' of='$target' bs=1M oflag=direct conv=sparse,nocreat,notrunc status=none"
}

zero_command()
{
	if [[ -b $target ]]; then
		echo "blkdiscard -z '$target'"
	else
		echo "fallocate -z -l $bytes '$target'"
	fi
}

# ---- what they are given

# file_systems: of the disk's partitions, "partclone NR OFFSET BYTES" for each that has one
file_systems()
{
	local nr=0 offset size kind

	while read -r offset size; do
		nr=$((nr + 1))
		kind=$(blkid -p -O "$offset" -S "$size" -o value -s TYPE "$disk") || continue
		case $kind in
		vfat) echo "partclone.fat $nr $offset $size" ;;
		ext4) echo "partclone.extfs $nr $offset $size" ;;
		esac
	done < <(partitions)
}

# partitions: "OFFSET BYTES" for each. Of a disk that is cut off only the MBR is left, which has one of type ee.
partitions()
{
	sfdisk --json "$disk" 2>/dev/null | jq -r '.partitiontable.partitions[] |
		select(.type != "ee") | "\(.start * 512) \(.size * 512)"'
}

disk_is_whole()
{
	local end

	end=$(partitions | awk '{ end = $1 + $2 } END { printf "%d\n", end }')
	[[ $end -gt 0 && $end -le $bytes ]]
}

# make_input FILE: unless it is there already
make_input()
{
	local to=$cache/$1

	[[ ! -e $to ]] || return 0
	diag "making ${to#"$top"/}"
	case $1 in
	disk.raw.zst) zstd -q -T0 -3 "$disk" -o "$to.new" ;;
	disk.raw.zst.sha256) sha256sum <"$cache/disk.raw.zst" >"$to.new" ;;
	disk.qcow2) qemu-img convert -f raw -O qcow2 "$disk" "$to.new" ;;
	disk.bmap) bmaptool -q create "$disk" -o "$to.new" ;;
	disk.caibx) casync make --store="$cache/disk.castr" "$to.new.caibx" "$disk" >/dev/null && mv "$to.new.caibx" "$to.new" ;;
	partclone) make_partclone "$to.new" ;;
	signer.pem) make_signer "$to.new" ;;
	disk.raucb) make_bundle "$to.new" ;;
	esac
	mv "$to.new" "$to"
}

# make_partclone DIR: NR.zst for each file system, begin.zst and end.zst for what is around them
make_partclone()
{
	local program nr offset size begin='' end

	rm -rf "$1"
	mkdir "$1"
	while read -r program nr offset size; do
		begin=${begin:-$offset} end=$((offset + size))
		copy_range "$offset" "$size" >"$work/partition"
		"$program" -c -q -s "$work/partition" -O - -L "$work/partclone.log" 2>/dev/null | zstd -q -T0 -3 -o "$1/$nr.zst"
		rm "$work/partition"
	done < <(file_systems)
	copy_range 0 "$begin" | zstd -q -o "$1/begin.zst"
	copy_range "$end" $((bytes - end)) | zstd -q -o "$1/end.zst"
}

# copy_range OFFSET BYTES: of the disk, to standard output, with holes if that is a file
copy_range()
{
	dd if="$disk" bs=1M iflag=skip_bytes,count_bytes skip="$1" count="$2" conv=sparse status=none
}

# make_signer FILE: whose signature RAUC and SWUpdate take, and its key in $cache/signer.key
make_signer()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=bench \
		-addext keyUsage=digitalSignature -addext extendedKeyUsage=emailProtection,codeSigning \
		-keyout "$cache/signer.key" -out "$1" 2>/dev/null
}

# make_bundle FILE: for RAUC
make_bundle()
{
	make_input signer.pem
	rm -rf "$work/bundle"
	mkdir "$work/bundle"
	cp --sparse=always "$disk" "$work/bundle/disk.img"
	cat >"$work/bundle/manifest.raucm" <<-END
		[update]
		compatible=bench
		version=1
		[bundle]
		format=plain
		[image.disk]
		filename=disk.img
	END
	rauc --cert="$cache/signer.pem" --key="$cache/signer.key" --keyring="$cache/signer.pem" \
		bundle --mksquashfs-args="-comp zstd -Xcompression-level 3" "$work/bundle" "$1" >/dev/null 2>&1
	rm -rf "$work/bundle"
}

# What names the target cannot be kept for another run.
prepare_swupdate()
{
	local dir=$work/swu

	mkdir -p "$dir"
	ln -sf "$cache/disk.raw.zst" "$dir/"
	cat >"$dir/sw-description" <<-END
		software = { version = "1"; hardware-compatibility: [ "1" ]; images: ( {
			filename = "disk.raw.zst"; device = "$target"; type = "raw"; compressed = "zstd"; installed-directly = true;
			sha256 = "$(cut -d' ' -f1 "$cache/disk.raw.zst.sha256")"; } ); };
	END
	openssl cms -sign -binary -nosmimecap -outform DER -in "$dir/sw-description" -out "$dir/sw-description.sig" \
		-signer "$cache/signer.pem" -inkey "$cache/signer.key"
	(cd "$dir" && printf '%s\n' sw-description sw-description.sig disk.raw.zst | cpio -oL -H crc --quiet) >"$origin/disk.swu"
}

prepare_rauc()
{
	mkdir -p "$work/rauc"
	cat >"$work/rauc.conf" <<-END
		[system]
		compatible=bench
		bootloader=noop
		mountprefix=$work/rauc
		statusfile=$work/rauc.status
		[keyring]
		path=$cache/signer.pem
		[slot.disk.0]
		device=$target
		type=raw
	END
	cat >"$work/rauc.sh" <<-END
		export DBUS_SYSTEM_BUS_ADDRESS="\$DBUS_SESSION_BUS_ADDRESS"
		rauc -c '$work/rauc.conf' service --override-boot-slot=_external_ &
		service=\$!
		for try in \$(seq 200); do
			! rauc status >/dev/null 2>&1 || break
			sleep 0.02
		done
		rauc install '$work/disk.raucb'
		status=\$?
		kill \$service
		wait \$service
		exit \$status
	END
}
