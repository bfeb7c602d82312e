# SPDX-License-Identifier: GPL-2.0-or-later
# TAP for shell tests, and what they all need. Sourced, after `set -eu`.
# shellcheck shell=bash disable=SC2034 # variables are set for the tests

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$top/build}
[[ $BUILD == /* ]] || BUILD=$top/$BUILD
work=$(mktemp -d "${TMPDIR:-/tmp}/vmcast-test.XXXXXX")
tap_count=0
tap_failed=0
# Foreign names and texts of any language are in them, whatever the machine speaks.
export LC_ALL=C.UTF-8

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

# ok LABEL COMMAND...: passes when the command succeeds
ok()
{
	local label=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@"; then
		echo "ok $tap_count - $label"
	else
		echo "not ok $tap_count - $label"
		diag "failed: $*"
		tap_failed=1
	fi
}

# is LABEL GOT WANTED
is()
{
	tap_count=$((tap_count + 1))
	if [[ $2 == "$3" ]]; then
		echo "ok $tap_count - $1"
	else
		echo "not ok $tap_count - $1"
		diag "got:    $2"
		diag "wanted: $3"
		tap_failed=1
	fi
}

# like LABEL TEXT REGEX
like()
{
	tap_count=$((tap_count + 1))
	if [[ $2 =~ $3 ]]; then
		echo "ok $tap_count - $1"
	else
		echo "not ok $tap_count - $1"
		diag "got:      $2"
		diag "no match: $3"
		tap_failed=1
	fi
}

# unlike LABEL TEXT REGEX
unlike()
{
	tap_count=$((tap_count + 1))
	if [[ ! $2 =~ $3 ]]; then
		echo "ok $tap_count - $1"
	else
		echo "not ok $tap_count - $1"
		diag "got:     $2"
		diag "matches: $3"
		tap_failed=1
	fi
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

done_testing()
{
	echo "1..$tap_count"
	exit "$tap_failed"
}

# each_line LANES FUNCTION: FUNCTION with the fields of each line of standard input, which are separated by `|`, for its
# arguments; LANES at a time, each call in a subshell with a folder of its own, $case. Their TAP comes out in order.
each_line()
{
	local lanes=$1 lane pids=() table=$work/table cases=$work/cases

	rm -rf "$cases"
	mkdir "$cases"
	grep -v '^$' >"$table"
	for ((lane = 0; lane < lanes; lane++)); do
		(run_lane "$lanes" "$lane" "$2") &
		pids+=($!)
	done
	wait "${pids[@]}" || tap_failed=1
	sed -E 's/^(not )?ok [0-9]+/\1ok/' "$cases"/*.tap
	tap_count=$((tap_count + $(cat "$cases"/*.tap | grep -cE '^(not )?ok')))
	if grep -q '^not ok' "$cases"/*.tap; then
		tap_failed=1
	fi
}

run_lane()
{
	local lanes=$1 lane=$2 nr=0 line args

	proxy_pid= # the proxy that runs is not this lane's to stop
	while IFS= read -r line; do
		if [[ $((nr++ % lanes)) == "$lane" ]]; then
			case=$cases/$(printf '%03d' "$nr")
			mkdir "$case"
			IFS='|' read -ra args <<<"$line"
			"$3" "${args[@]}" >"$case.tap" 2>&1 </dev/null
			rm -rf "$case"
		fi
	done <"$table"
}

# Commands to run at the end, last first: `at_exit kill "$pid"`.
cleanups=()
at_exit()
{
	cleanups=("$(printf '%q ' "$@")" "${cleanups[@]}")
}

run_cleanups()
{
	local status=$? command

	for command in "${cleanups[@]}"; do
		eval "$command" || true
	done
	[[ $status == 0 || ! -s $work/vmcastd.log ]] || tail -n 20 "$work/vmcastd.log" | sed 's/^/# /'
	rm -rf "$work"
	exit "$status"
}
trap run_cleanups EXIT

# wait_for SECONDS COMMAND...: until it succeeds; false when time is over
wait_for()
{
	local left=$(($1 * 10))
	shift
	until "$@"; do
		[[ $((left--)) -gt 0 ]] || return 1
		sleep 0.1
	done
}

# ---- servers; each is ended with the test, by its process id

# Sanitizers take memory and time of their own.
has_sanitizers()
{
	ldd "$BUILD/vmcastd" | grep -q libasan
}

# need_bench: the whole test is skipped where a benchmark in short says nothing, or cannot run
need_bench()
{
	! has_sanitizers || skip_all "their times and memory say nothing"
	dd if=/dev/zero of="$work/direct" bs=4K count=1 oflag=direct status=none 2>/dev/null ||
		skip_all "$work: its file system has no direct I/O"
}

# free_port: a TCP port of 127.0.0.1 that nobody listens on. Below those that the kernel gives to connections (32768 and up):
# one of the thousands that tests make at the same time would take it while its server is being started again.
free_port()
{
	perl -MIO::Socket::INET -e '
		my $port;
		do { $port = 10000 + int(rand(22000)) }
			until IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $port, Listen => 1, ReuseAddr => 1);
		print $port'
}

port_answers()
{
	(: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# start_origin: a publisher's web server (ranges, validators) for the files in $origin; sets origin_port
start_origin()
{
	origin=$work/origin
	mkdir -p "$origin"
	origin_port=$(free_port)
	cat >"$work/nginx.conf" <<-END
		daemon off;
		pid $work/nginx.pid;
		error_log $work/nginx.log;
		$([[ $(id -u) == 0 ]] && echo "user root;")
		events { }
		http {
			log_format line "\$request";
			access_log $work/access.log line;
			client_body_temp_path $work/nginx.1; proxy_temp_path $work/nginx.2; fastcgi_temp_path $work/nginx.3;
			uwsgi_temp_path $work/nginx.4; scgi_temp_path $work/nginx.5;
			server { listen 127.0.0.1:$origin_port; root $origin; }
			include $work/nginx.d/*.conf;
		}
	END
	nginx -c "$work/nginx.conf" -e "$work/nginx.log" &
	at_exit kill $!
	wait_for 60 port_answers "$origin_port" || { diag "nginx does not start: $(cat "$work/nginx.log")"; exit 1; }
}

# reload_origin: returns when the publisher's web server does what its configuration says by now: no worker of the old one accepts
reload_origin()
{
	local master old
	master=$(<"$work/nginx.pid")
	old=$(pgrep -P "$master")

	kill -HUP "$master"
	wait_for 60 origin_is_new "$master" "$old"
}

# origin_is_new MASTER OLD-WORKERS
origin_is_new()
{
	local pid

	for pid in $2; do
		! ps -o args= -p "$pid" | grep -q 'worker process$' || return 1
	done
	[[ $(pgrep -P "$1") != "$2" ]]
}

# start_proxy PORT [OPTION...]: faultproxy in front of 127.0.0.1:PORT, in place of the one before; sets proxy_port, logs
# to $proxy_log
proxy_log=$work/proxy.log
start_proxy()
{
	local to=$1 port_file=$proxy_log.port
	shift
	stop_proxy
	rm -f "$port_file"
	: >"$proxy_log"
	"$top/tests/functional/faultproxy" --to "127.0.0.1:$to" --port-file "$port_file" --log "$proxy_log" "$@" &
	proxy_pid=$!
	wait_for 60 test -s "$port_file" || { diag "faultproxy does not start"; exit 1; }
	proxy_port=$(<"$port_file")
}

last_request_is()
{
	[[ $(tail -n1 "$proxy_log") == "$1" ]]
}

# is_last_request LABEL LINE: the proxy's log ends with LINE; it is written after the answer has gone out, so wait for it
is_last_request()
{
	wait_for 20 last_request_is "$2" || true
	is "$1" "$(tail -n1 "$proxy_log")" "$2"
}

proxy_pid=
stop_proxy()
{
	[[ -n $proxy_pid ]] || return 0
	kill "$proxy_pid" || true
	wait "$proxy_pid" || true
	proxy_pid=
}
at_exit stop_proxy

# start_vmcastd [KEY=VALUE...]: a service of its own below $work, the same one again if it ran before; sets vmcastd_port
# and vmcastd_pid, logs to $work/vmcastd.log. Publishers on 127.0.0.1 are allowed; feeds over plain HTTP prove nothing, so
# those without a policy of their own get `none`.
start_vmcastd()
{
	vmcastd_port=${vmcastd_port:-$(free_port)}
	mkdir -p "$work/run"
	cat >"$work/vmcastd.conf" <<-END
		listen = 127.0.0.1:$vmcastd_port
		state_dir = $work/state
		run_dir = $work/run
		socket = $work/run/api.sock
		$([[ $* == *"user ="* ]] || echo "user = root")
		allow_host = 127.0.0.1
		$([[ $* == *"unpack ="* ]] || echo "unpack = $(realpath -m "$BUILD/vmcast-unpack")")
		$([[ $* == *chunk_bytes* ]] || echo "chunk_bytes = 64K")
		$(printf '%s\n' "$@" | sed '/^feed = http:/{/ root=\| policy=/!s/$/ policy=none/}')
	END
	"$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>>"$work/vmcastd.log" &
	vmcastd_pid=$!
	wait_for 60 service_is_up || { diag "vmcastd does not start: $(cat "$work/vmcastd.log")"; exit 1; }
}

service_is_up()
{
	port_answers "$vmcastd_port" && [[ -S $work/run/api.sock ]]
}

# stop_vmcastd [SIGNAL]
vmcastd_pid=
stop_vmcastd()
{
	[[ -n $vmcastd_pid ]] || return 0
	kill -"${1:-TERM}" "$vmcastd_pid" || true
	wait "$vmcastd_pid" 2>/dev/null || true
	vmcastd_pid=
}
at_exit stop_vmcastd

# api METHOD PATH [BODY]: the operator's API
api()
{
	curl -sS --unix-socket "$work/run/api.sock" -X "$1" ${3+-H "Content-Type: application/json" -d "$3"} "http://vmcastd$2"
}

# field PATH JQ-FILTER: something out of an answer of the API
field()
{
	api GET "$1" | jq -r "$2"
}

vmcast()
{
	"$BUILD/vmcast" --socket "$work/run/api.sock" "$@"
}

# holds_disk_image IMAGE DISK: the image's bytes, to the last. Of a GPT on a larger disk all but what says where the disk ends:
# in the protective MBR, the header, and the backup header, which is elsewhere.
holds_disk_image()
{
	local image=$1 disk=$2 bytes more
	bytes=$(stat -c %s "$image")
	more=$(($(stat -c %s "$disk") - bytes))

	if [[ $more -le 0 || $(dd if="$image" bs=512 skip=1 count=1 status=none | head -c 8 | tr -d '\0') != 'EFI PART' ]]; then
		[[ $more -ge 0 ]] && cmp -n "$bytes" "$image" "$disk"
		return
	fi
	cmp -n 446 "$image" "$disk" && cmp -i 1024 -n $((bytes - 1024 - 512)) "$image" "$disk" &&
		[[ $(sgdisk -v "$disk" 2>&1) == *'No problems found'* ]]
}

# boot_ticket MAC ITEM: what the boot script of this machine has for its plan
boot_ticket()
{
	curl -s "http://127.0.0.1:$vmcastd_port/v1/start?item=$2&write=1&mac=$1&arch=x86_64&platform=pcbios" |
		sed -n 's/.* vmcast.ticket=\([0-9a-f]*\) .*/\1/p'
}

# item_of NAME: the id of the item whose enclosure is called so, empty if there is none
item_of()
{
	field /v1/items "[.items[] | select(.url | endswith(\"/$1\"))][0].id // empty"
}

item_is()
{
	[[ $(field "/v1/items/$1" .state) =~ ^($2)$ ]]
}

# wait_ingest NAME: until the item has an image or failed; sets item
wait_ingest()
{
	wait_for 60 eval "[[ -n \$(item_of '$1') ]]" || { diag "no item of '$1': $(field /v1/feeds '.feeds[].error')"; return 1; }
	item=$(item_of "$1")
	wait_for 120 item_is "$item" "ready|failed|refused" || { diag "item of '$1' stays $(field "/v1/items/$item" .state)"; return 1; }
}

# make_image FILE SIZE DATA-BYTES: a disk with an MBR, a GPT and random data spread over it in 64 KiB pieces; holes between
make_image()
{
	truncate -s "$2" "$1"
	printf 'label: gpt\nstart=2048, type=linux\n' | sfdisk -q "$1"
	perl -e 'my ($file, $bytes, $pieces) = @ARGV;
		open my $random, "<", "/dev/urandom" or die; open my $disk, "+<", $file or die "$file: $!";
		for my $nr (0 .. $pieces - 1) {
			sysread $random, my $data, 65536;
			sysseek $disk, (1 << 20) + 512 * int($nr * ($bytes - (2 << 20)) / $pieces / 512), 0;
			syswrite($disk, $data) == 65536 or die "$file: $!";
		}' "$1" "$(stat -c %s "$1")" "$(($3 / 65536))"
}

# make_ova FILE DISK...: an OVA of raw disks, as VMware makes them: stream-optimized VMDKs; the machine boots from the first
make_ova()
{
	local ova=$1 dir disk nr=0 files='' disks='' items=''
	shift
	dir=$(mktemp -d "$work/ova.XXXXXX")

	for disk; do
		nr=$((nr + 1))
		qemu-img convert -q -f raw -O vmdk -o subformat=streamOptimized "$disk" "$dir/disk$nr.vmdk"
		files+="<File ovf:href=\"disk$nr.vmdk\" ovf:id=\"file$nr\"/>"
		disks+="<Disk ovf:capacity=\"$(stat -c %s "$disk")\" ovf:diskId=\"vmdisk$nr\" ovf:fileRef=\"file$nr\"/>"
		items+="<Item><rasd:AddressOnParent>$((nr - 1))</rasd:AddressOnParent>
			<rasd:HostResource>ovf:/disk/vmdisk$nr</rasd:HostResource><rasd:InstanceID>$((nr + 1))</rasd:InstanceID>
			<rasd:Parent>1</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>"
	done
	cat >"$dir/box.ovf" <<-END
		<?xml version="1.0"?>
		<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
			xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
		<References>$files</References><DiskSection><Info/>$disks</DiskSection>
		<VirtualSystem ovf:id="box"><Info/><VirtualHardwareSection><Info/>
		<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item>
		$items</VirtualHardwareSection></VirtualSystem></Envelope>
	END
	(cd "$dir" && sha256sum box.ovf disk*.vmdk | sed -E 's/^([0-9a-f]+)  (.*)/SHA256(\2)= \1/' >box.mf &&
		tar --format=ustar -cf box.ova box.ovf box.mf disk*.vmdk)
	mv "$dir/box.ova" "$ova"
	rm -r "$dir"
}

# serve_image BYTES DATA-BYTES [KEY=VALUE...]: a publisher, a service and an item that is ready to be written; sets image, item
serve_image()
{
	start_origin
	image=$origin/image
	make_image "$image" "$1" "$2"
	"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$image" >"$origin/feed.xml"
	start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "${@:3}"
	wait_ingest image || exit 1
	item_is "$item" ready || { diag "no image: $(field "/v1/items/$item" .error)"; exit 1; }
}

# write_disk PORT DISK [OPTION...]: run the client against the service or a proxy; sets status, said. A client that hangs is
# killed, far beyond what any busy machine needs, so that it fails its test and not the whole run.
write_disk()
{
	status=0
	said=$(timeout --foreground -s KILL 240 "$BUILD/vmcast-boot" write --server "http://127.0.0.1:$1" --item "$item" \
		--disk "$2" "${@:3}" 2>&1) || status=$?
	[[ $status != 137 ]] || diag "the client hung and was killed after 240 s"
}

# last_job JQ-FILTER
last_job()
{
	field /v1/jobs ".jobs[0] | $1"
}

# fill FILE BYTES: a disk full of 0xA5
fill()
{
	head -c "$2" /dev/zero | tr '\0' '\245' >"$1"
}

# is_blank DISK [BYTES]: nothing boots from it and nothing recognises it: its first MiB and the last of BYTES are zeros
is_blank()
{
	local bytes=${2:-$(blockdev --getsize64 "$1" 2>/dev/null || stat -c %s "$1")}

	cmp -n 1048576 "$1" /dev/zero && cmp -n 1048576 -i "$((bytes - 1048576)):0" "$1" /dev/zero
}

# attach FILE [LOSETUP-OPTION...]: a loop device on it; sets loop
attach()
{
	loop=$(losetup --find --show "${@:2}" "$1")
	at_exit detach_all
}

# Ours are those whose files are ours: a name may belong to somebody else by now.
detach_all()
{
	local name file

	losetup --list --noheadings --output NAME,BACK-FILE | while read -r name file; do
		[[ $file != "$work"/* ]] || losetup -d "$name"
	done
}
