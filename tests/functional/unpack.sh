# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of containers share. Sourced behind tests/lib.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are set for the tests

case=$work/case
mkdir -p "$case"

# unpack FILE [SCRATCH-MAX [DISK-MAX]]: vmcast-unpack alone; sets report (JSON), status, and problem (the failure that it reports)
unpack()
{
	scratch=$work/scratch
	rm -rf "$scratch"
	mkdir "$scratch"
	status=0
	said=$("$BUILD/vmcast-unpack" "$scratch" "${2:-4000000000}" "${3:-100000000000}" <"$1" 2>"$work/said") || status=$?
	report=$(grep -v '^{"done_bytes":[0-9]*}$' <<<"$said" || true)
	problem=$(jq -r '.error.text // empty' <<<"$report")
	unpacked=$1
}

# disk NUMBER: put the disk together that the report describes, by qemu-img where a part is no raw region; prints its name
disk()
{
	local out=$work/disk-$1 file format file_off file_bytes disk_off disk_bytes

	rm -f "$out"
	truncate -s "$(jq ".disks[$1].disk_bytes" <<<"$report")" "$out"
	while read -r file format file_off file_bytes disk_off disk_bytes; do
		[[ $file == - ]] && file=$unpacked || file=$scratch/$file
		if [[ $format != raw ]]; then
			dd if="$file" of="$work/part" bs=1M iflag=skip_bytes,count_bytes skip="$file_off" count="$file_bytes" status=none
			qemu-img convert -f "$format" -O raw "$work/part" "$work/part.raw"
			file=$work/part.raw file_off=0 file_bytes=$(stat -c %s "$work/part.raw")
		fi
		dd if="$file" of="$out" bs=1M conv=notrunc iflag=skip_bytes,count_bytes oflag=seek_bytes skip="$file_off" count="$file_bytes" \
			seek="$disk_off" status=none
	done < <(jq -r ".disks[$1].parts[] | [(if .file == \"\" then \"-\" else .file end), .format, .file_off, .file_bytes, .disk_off,
		.disk_bytes] | join(\" \")" <<<"$report")
	echo "$out"
}

# get FILTER: something of the report
get()
{
	jq -r "$1" <<<"$report"
}

# gives LABEL FILE IMAGE...: unpacking gives exactly these disks, in this order
gives()
{
	local label=$1 file=$2 nr=0 image
	shift 2
	unpack "$file"
	[[ -z $problem ]] || diag "$problem"
	is "$label: as many disks" "$(get '.disks | length')" $#
	for image; do
		ok "$label: disk $nr has equal bytes" cmp "$(disk "$nr")" "$image"
		nr=$((nr + 1))
	done
}

# refuses LABEL FILE REGEX [SCRATCH-MAX [DISK-MAX]]: no report but a reason
refuses()
{
	unpack "$2" "${@:4}"
	like "$1" "$problem" "$3"
}

# ovf_of DISK-FILE:ID... : an OVF descriptor as VirtualBox writes them, for the disks in order on one SATA controller
ovf()
{
	local name nr=0
	echo '<?xml version="1.0"?><Envelope ovf:version="1.0" xmlns="http://schemas.dmtf.org/ovf/envelope/1"
		xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
		xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"><References>'
	for name; do echo "<File ovf:href=\"$name\" ovf:id=\"file$((++nr))\"/>"; done
	echo '</References><DiskSection><Info/>'
	nr=0
	for name; do
		nr=$((nr + 1))
		echo "<Disk ovf:capacity=\"$ovf_capacity\" ovf:diskId=\"vmdisk$nr\" ovf:fileRef=\"file$nr\"/>"
	done
	echo '</DiskSection><VirtualSystem ovf:id="box"><Info/><OperatingSystemSection ovf:id="80"><Info/>
		<Description>Debian_64</Description></OperatingSystemSection><VirtualHardwareSection><Info/>
		<Item><rasd:ElementName>2 virtual CPU</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
		<rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
		<Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID>
		<rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
		<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>AHCI</rasd:ResourceSubType>
		<rasd:ResourceType>20</rasd:ResourceType></Item>'
	nr=0
	for name; do
		nr=$((nr + 1))
		echo "<Item><rasd:AddressOnParent>$((nr - 1))</rasd:AddressOnParent><rasd:HostResource>/disk/vmdisk$nr</rasd:HostResource>
			<rasd:InstanceID>$((nr + 10))</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>"
	done
	echo '</VirtualHardwareSection></VirtualSystem></Envelope>'
}

# manifest ALGORITHM FILE...: an OVF manifest of files in the current folder
manifest()
{
	local algorithm=$1 file
	shift
	for file; do
		echo "$algorithm($file)= $("${algorithm,,}sum" "$file" | cut -d' ' -f1)"
	done
}
