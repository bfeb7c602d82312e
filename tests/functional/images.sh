# SPDX-License-Identifier: GPL-2.0-or-later
# Images that no tool at hand writes, made by hand from what their formats say. Sourced behind tests/lib.sh.
# shellcheck shell=bash

# A Bochs growing disk: header, catalog, then each extent with a bitmap of its sectors. Source: Bochs, hdimage.h.
# bochs RAW IMAGE VERSION
bochs()
{
	perl -e '
		my ($raw, $image, $version) = @ARGV;
		my ($extent, $bytes) = (65536, -s $raw);
		my $entries = int(($bytes + $extent - 1) / $extent);
		open my $in, "<:raw", $raw or die; open my $out, ">:raw", $image or die;
		my $disk = $version == 1 ? pack("Q<", $bytes) : pack("L<Q<", 0, $bytes);
		my $header = pack("a32 a16 a16 L<5", "Bochs Virtual HD Image", "Redolog", "Growing",
			$version << 16, 512, $entries, 512, $extent) . $disk;
		my ($place, @catalog, $data) = 0;
		for my $nr (0 .. $entries - 1) {
			read $in, my $block, $extent;
			if ($block !~ /[^\0]/) { push @catalog, 0xffffffff; next }
			push @catalog, $place++;
			$block .= "\0" x ($extent - length $block);
			my $bitmap = "";
			vec($bitmap, $_, 1) = substr($block, 512 * $_, 512) =~ /[^\0]/ ? 1 : 0 for 0 .. 127;
			$data .= $bitmap . "\0" x (512 - length $bitmap) . $block;
		}
		print $out $header, "\0" x (512 - length $header), pack("L<*", @catalog), $data;
	' "$1" "$2" "$3"
}

# Of Parallels, the newer kind: sizes of 64 bits, and blocks counted from the beginning of the file in blocks.
# parallels_extended RAW IMAGE
parallels_extended()
{
	perl -e '
		my ($raw, $image) = @ARGV;
		my ($block, $bytes) = (1 << 20, -s $raw);
		my $entries = int(($bytes + $block - 1) / $block);
		open my $in, "<:raw", $raw or die; open my $out, ">:raw", $image or die;
		my ($place, @map, $data) = 1;
		for (1 .. $entries) {
			read $in, my $piece, $block;
			if ($piece !~ /[^\0]/) { push @map, 0; next }
			push @map, $place++;
			$data .= $piece . "\0" x ($block - length $piece);
		}
		my $header = pack("a16 L<5 Q< L<3 Q<", "WithouFreSpacExt", 2, 16, 100, $block / 512, $entries, $bytes / 512,
			0, $block / 512, 0, 0) . pack("L<*", @map);
		print $out $header, "\0" x ($block - length $header), $data;
	' "$1" "$2"
}

# A VHDX with sectors of 4096 bytes: one that QEMU wrote, of whole such sectors, with another number in its metadata. What
# depends on that number is further from the beginning than a small disk is long.
# vhdx_4k RAW IMAGE
vhdx_4k()
{
	qemu-img convert -f raw -O vhdx -o block_size=1M "$1" "$2"
	perl -e 'open my $f, "+<:raw", $ARGV[0] or die; local $/; my $all = <$f>;
		my $guid = pack "H*", "1dbf41816fa90947ba47f233a8faab5f";
		my $entry = index $all, $guid;
		my $table = rindex $all, "metadata", $entry;
		seek $f, $table + unpack("L<", substr $all, $entry + 16, 4), 0;
		print $f pack "L<", 4096;
		# The log that QEMU leaves in both headers was written back when it closed the image.
		for my $at (65536, 131072) {
			my $header = substr $all, $at, 4096;
			substr($header, 48, 16) = "\0" x 16;
			substr($header, 4, 4) = "\0" x 4;
			my $crc = 0xffffffff;
			for my $byte (unpack "C*", $header) {
				$crc ^= $byte;
				$crc = $crc & 1 ? $crc >> 1 ^ 0x82f63b78 : $crc >> 1 for 1 .. 8;
			}
			substr($header, 4, 4) = pack "L<", $crc ^ 0xffffffff;
			seek $f, $at, 0;
			print $f $header;
		}' "$2"
}

# xva IMAGE CHECKSUM: box.xva in the current folder, an archive of one disk as XenServer writes it
xva()
{
	local bytes block
	bytes=$(stat -c %s "$1")
	rm -rf xva
	mkdir -p xva/Ref:7
	local member='s,\([^=]*\)=\(.*\),<member><name>\1</name><value>\2</value></member>,'
	{
		echo '<value><struct><member><name>version</name><value><struct/></value></member><member><name>objects</name><value><array><data>'
		echo '<value><struct>'
		printf '%s\n' class=VM id=Ref:0 | sed "$member"
		echo '<member><name>snapshot</name><value><struct>'
		printf '%s\n' name_label=xen memory_static_max=268435456 VCPUs_max=3 | sed "$member"
		echo '</struct></value></member></struct></value><value><struct>'
		printf '%s\n' class=VBD id=Ref:3 | sed "$member"
		echo '<member><name>snapshot</name><value><struct>'
		printf '%s\n' userdevice=0 'bootable=<boolean>1</boolean>' type=Disk VDI=Ref:7 | sed "$member"
		echo '</struct></value></member></struct></value><value><struct>'
		printf '%s\n' class=VDI id=Ref:7 | sed "$member"
		echo '<member><name>snapshot</name><value><struct>'
		printf '%s\n' name_label=root "virtual_size=$bytes" | sed "$member"
		echo '</struct></value></member></struct></value></data></array></value></member></struct></value>'
	} >xva/ova.xml
	(
		cd xva || exit
		split -b 1M -d -a 8 "$1" Ref:7/
		for block in Ref:7/*; do
			if cmp -s -n "$(stat -c %s "$block")" "$block" /dev/zero; then
				rm "$block"
			elif [[ $2 == sha1 ]]; then
				sha1sum <"$block" | head -c 40 >"$block.checksum"
			else
				xxhsum -H1 <"$block" | head -c 16 >"$block.xxhash"
			fi
		done
		{ echo ova.xml; printf '%s\n' Ref:7/* | LC_ALL=C sort; } >../members
		tar -cf ../box.xva -T ../members
	)
}
