#!/bin/bash
# A seed for a first boot: templates that are wrong are refused with file, line and field; the machine of the job gets its own, sealed,
# and as it is signed; nobody else gets any, an answer that was altered is refused, and what is secret is in no log.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/tuf/repository.sh

other=52:54:00:00:00:02
secret=swordfish-$RANDOM$RANDOM
seeds=$work/seeds
make_keys
serve_image 8M 262144 "seeds_dir = $seeds"
url=http://127.0.0.1:$vmcastd_port

# file SEED NAME: one of its files, from standard input
file()
{
	mkdir -p "$seeds/$1"
	chmod 0700 "$seeds/$1"
	cat >"$seeds/$1/$2"
}

# refused LABEL REGEX COMMAND...: fails and says why
refused()
{
	local said status=0
	said=$("${@:3}" 2>&1) || status=$?
	ok "$1: refused" test "$status" != 0
	like "$1: says why" "$said" "$2"
}

# Templates
is "no folder: no seeds" "$(field /v1/seeds '.seeds | length')" 0
file web user-data <<-END
	#cloud-config
	password: $secret
	name: "{{ hostname }} of {{item.title}}, {{mac-digits}}"
	jinja: {{braces}} v1.local_hostname }}
END
file web network-config <<<'match: "{{mac}}"'
is "a good seed" "$(vmcast seed list | tail -n1 | tr -s ' ')" "web meta-data, user-data, network-config 0 good"
is "it is checked" "$(vmcast seed check web | tr -s " ")" "web good"
like "what is in it is not shown" "$(vmcast seed show web)" 'user-data, .* fields hostname, mac-digits, item.title, braces'
unlike "the secret is not" "$(vmcast seed show web; vmcast --json seed show web; vmcast --json seed list)" "$secret"
while IFS='|' read -r label name text why; do
	file wrong user-data </dev/null
	rm -f "$seeds"/wrong/*-*
	[[ $name == user-data ]] || file wrong user-data <<<x
	printf '%b' "$text" | file wrong "$name"
	refused "$label" "$why" vmcast machine assign "$mac" "$item" --seed wrong
	is "$label: is found by a check" "$(vmcast seed check wrong >/dev/null 2>&1; echo $?)" 5
	rm -r "$seeds/wrong"
done <<'END'
an unknown field|user-data|a\n\n  {{ hostnam }}\n|seed 'wrong': file 'user-data': line 3: there is no field 'hostnam'; there are instance-id, hostname,
one in another file|network-config|{{item.url}}|file 'network-config': line 1: there is no field 'item.url'
a field's name that is code|user-data|{{$(reboot)\\033[2J}}|there is no field '\$\(reboot\)
open braces|user-data|a: {{\nb: }}\n|file 'user-data': line 1: '\{\{' without '\}\}'
meta-data without an instance|meta-data|local-hostname: x\n|file 'meta-data': has no \{\{instance-id\}\}
a NUL|user-data|a\0b|file 'user-data': has a NUL
END
printf 'a: \xff\n' | file wrong user-data
refused "what is not UTF-8" "file 'user-data': is not UTF-8" vmcast machine assign "$mac" "$item" --seed wrong
head -c 300000 /dev/zero | tr '\0' a | file wrong user-data
refused "a file that is too long" "longer than 262144 bytes" vmcast machine assign "$mac" "$item" --seed wrong
rm "$seeds/wrong/user-data"
refused "no user-data" "there is no file 'user-data'" vmcast machine assign "$mac" "$item" --seed wrong
mkfifo "$seeds/wrong/user-data"
refused "a pipe" "'$seeds/wrong/user-data' is no file" vmcast machine assign "$mac" "$item" --seed wrong
rm -r "$seeds/wrong"
refused "a seed that is not there" "there is no folder '$seeds/nothing'" vmcast machine assign "$mac" "$item" --seed nothing
refused "a path" 'no name of a seed' vmcast machine assign "$mac" "$item" --seed ../web
refused "a host name with a space" 'field "hostname": no host name' vmcast machine assign "$mac" "$item" --seed web --hostname 'a b'
chmod 0705 "$seeds/web"
refused "a folder that others may enter" "chmod o-rwx '$seeds/web'" vmcast machine assign "$mac" "$item" --seed web
chmod 0700 "$seeds/web"
is "none of these has assigned anything" "$(field /v1/machines '[.machines[] | select(.item)] | length')" 0

# The exchange
machine()
{
	local said
	said=$(tests/tuf/machine.py "$@")
	status=${said%% *} answer=${said#* }
}
# get_plan KEY KEPT MAC: a plan is in $work/plan
get_plan()
{
	machine plan "$1" "$2" "$url" "{\"version\":1,\"item\":\"$item\",\"macs\":[\"$3\"],\"ticket\":\"$(boot_ticket "$3" "$item")\"}"
	echo "$answer" >"$work/plan"
}
seed()
{
	machine seed "$1" "$url" "$work/plan" "${2:-$public}"
}
error()
{
	jq -r '.error // empty' <<<"$answer"
}
public=$(printf '%064d' 9)
for name in machine thief; do
	tests/tuf/machine.py key ed25519 "$work/$name"
done
like "assigned" "$(vmcast machine assign "$mac" "$item" --seed web --hostname web-1)" 'seed +web.*host name +web-1'
get_plan "$work/machine" memory "$mac"
like "the plan names the seed and its digest" "$(jq -c .seed "$work/plan")" '^\{"name":"web","digest":"sha256:[0-9a-f]{64}"\}$'
unlike "and nothing that is in it" "$(<"$work/plan")" "$secret|web-1"
seed "$work/machine"
is "the machine gets it" "$status" 200
unlike "sealed" "$answer" "$secret|web-1|user-data"
seed "$work/machine"
is "once more, as if the answer was lost" "$status" 200
seed -
is "nobody without a key" "$status" 403
SIGN=$work/thief seed "$work/machine"
is "nobody with another one" "$status" 403
like "  which is said" "$(error)" "the request is signed by another key than"
TICKET=$(printf '%032d' 1) seed "$work/machine"
is "nor with another ticket" "$status" 403
seed "$work/machine" 00ff
is "a public key that is none" "$status $(error)" '400 field "public_key": 64 hex digits are needed'
seed "$work/machine" "$(printf '%064d' 0)"
is "one that leads nowhere" "$status $(error)" "400 no public key of X25519"
vmcast machine assign "$mac" "$item" --seed web >/dev/null
seed "$work/machine"
is "a plan of an assignment before" "$status" 409
get_plan "$work/machine" memory "$mac"
file web network-config <<<'{{nothing}}'
seed "$work/machine"
like "a template that was broken since" "$status $(error)" "409 seed 'web': file 'network-config': line 1: there is no field 'nothing'"
get_plan "$work/machine" memory "$mac"
like "no plan is made with it" "$status $(error)" "409 seed 'web': file 'network-config': line 1: there is no field 'nothing'"
file web network-config <<<'match: "{{mac}}"'
get_plan "$work/machine" memory "$mac"
machine "done" "$work/machine" memory "$url" "$work/plan" 1
seed "$work/machine"
like "the same request after the job is done" "$status $(error)" "409 job '.*' has ended"
vmcast machine assign "$other" "$item" >/dev/null
get_plan "$work/thief" memory "$other"
is "a machine that is assigned none: not in its plan" "$(jq -c .seed "$work/plan")" null
seed "$work/thief"
is "nor does it get any" "$status $(error)" "409 machine $other is assigned no seed"
vmcast machine release "$other"
vmcast machine release "$mac"

# The client, as in the boot environment
[[ $(id -u) == 0 && -e /dev/loop-control ]] || { diag "loop devices need root: not tried"; done_testing; }
host=$(cat /sys/class/net/eth0/address 2>/dev/null) || host=$mac
fill "$work/disk" 12M
attach "$work/disk"
assign()
{
	vmcast machine assign "$host" "$item" --target "name=${loop##*/}" --seed web --hostname web-1 >/dev/null
}
# run PORT [OPTION...]: sets status, said
run()
{
	status=0
	said=$(timeout --foreground -s KILL 240 "$BUILD/vmcast-boot" run --retry-for 1 "${@:2}" --cmdline \
		"vmcast.server=http://127.0.0.1:$1 vmcast.item=$item vmcast.ticket=$(boot_ticket "$host" "$item") BOOTIF=01-${host//:/-}
		vmcast.disk=\"name=${loop##*/}\"" 2>&1) || status=$?
}
# on_disk FILE: of the seed's volume on the disk
on_disk()
{
	mtype -i "$work/disk@@$((10 << 20))" "::$1"
}
assign
run "$vmcastd_port"
is "the client writes the disk" "$status" 0
like "  says which seed" "$said" "vmcast: seed at .*: 'web', for the first boot: 3 files"
ok "  the image" cmp -i 65536 -n $((8 * 1048576 - 65536 - 4096)) "$image" "$work/disk"
like "  the partition" "$(sfdisk -d "$work/disk")" 'start= +20480, size= +2048, .*name="cidata"'
like "  whose table is right" "$(sfdisk --verify "$work/disk" 2>&1)" 'No errors detected'
is "  user-data" "$(on_disk user-data)" "#cloud-config
password: $secret
name: \"web-1 of $(field "/v1/items/$item" .title | tr -c 'A-Za-z0-9 ._\n-' _), ${host//:/}\"
jinja: {{ v1.local_hostname }}"
is "  network-config" "$(on_disk network-config)" "match: \"$host\""
like "  meta-data" "$(on_disk meta-data)" "^instance-id: vmcast-${host//:/}-[0-9a-f]{16}
local-hostname: web-1$"
id=$(on_disk meta-data | head -n1)
fill "$work/disk" 12M
assign
run "$vmcastd_port"
ok "assigned again: another instance" test "$(on_disk meta-data | head -n1)" != "$id"

# nothing_written LABEL STATUS REGEX
nothing_written()
{
	is "$1: exit $2" "$status" "$2"
	like "$1: says why" "$said" "$3"
	ok "$1: nothing is written" cmp "$work/disk" "$work/before"
	like "$1: the service knows" "$(last_job '"\(.phase) \(.message)"')" "failed .*$3"
}
fill "$work/before" 12M
cp "$work/before" "$work/disk"
assign
for at in 3 40 200; do
	start_proxy "$vmcastd_port" --path /v1/seed --fault "flip:$at"
	run "$proxy_port"
	nothing_written "byte $at of the answer is wrong" 4 "seed 'web': it is not sealed for this machine's run, or was altered"
done
start_proxy "$vmcastd_port" --path /v1/seed --fault close:100
run "$proxy_port"
is "an answer that is cut off: the network" "$status" 3
ok "an answer that is cut off: nothing is written" cmp "$work/disk" "$work/before"
get_plan "$work/machine" memory "$host"
digest=$(jq -r .seed.digest "$work/plan")
start_proxy "$vmcastd_port" --path /v1/plan --fault "replace:$digest=>sha256:$(printf '%064d' 0)"
run "$proxy_port"
nothing_written "another digest in the plan" 4 "seed 'web': it is not what the plan says"

# With the site's root
signed_digest()
{
	target "machines/${host//:/-}.json" | jq -r .seed.digest
}
is_signed_anew()
{
	[[ $(signed_digest) == sha256:* && $(signed_digest) != "$digest" ]]
}
# until_quiet: what the service has to sign is signed, so that what follows is signed for its own sake
until_quiet()
{
	local before=-
	until [[ $(signed .version timestamp.json) == "$before" ]]; do
		before=$(signed .version timestamp.json)
		sleep 3
	done
}
"$BUILD/vmcast" key export --repository "$trust" -o "$work/root.json" >/dev/null
tuf init "$trust/metadata/1.root.json"
if [[ $host != "$mac" ]]; then
	is "the plan's digest is signed" "$(signed_digest)" "$digest"
	run "$proxy_port" --root "$work/root.json"
	nothing_written "another digest in the plan, with the site's root" 4 "not trusted, nothing is written: .*field \"seed\": signed is 'web $digest'"
	start_proxy "$vmcastd_port" --path /v1/plan --fault 'replace:"seed":=>"sead":'
	run "$proxy_port" --root "$work/root.json"
	nothing_written "a plan without the seed" 4 "not trusted, nothing is written: .*field \"seed\": signed is 'web $digest', the plan says ''"
	# No rule for a disk may be given here; what the service does not have it does not give, whatever the client believes.
	vmcast machine release "$host"
	start_proxy "$vmcastd_port" --path /v1/plan --fault "replace:\"seed\":null=>\"seed\":{\"name\":\"evil\",\"digest\":\"$digest\"}"
	status=0
	said=$(timeout --foreground -s KILL 240 "$BUILD/vmcast-boot" run --retry-for 1 --root "$work/root.json" --cmdline \
		"vmcast.server=http://127.0.0.1:$proxy_port vmcast.item=$item vmcast.ticket=$(boot_ticket "$host" "$item") BOOTIF=01-${host//:/-}" 2>&1) ||
		status=$?
	nothing_written "a seed for a machine that is assigned nothing" 4 "not trusted, nothing is written: .*field \"seed\": signed is ''"
	assign
	# Everything is read again once a minute: not now.
	vmcast machine assign "$other" "$item" >/dev/null
	until_quiet
	digest=$(signed_digest)
	file web network-config <<<'match: "{{mac}}" # another one'
	ok "a template that was changed is signed anew, though nobody asks" wait_for 15 is_signed_anew
	run "$vmcastd_port" --root "$work/root.json"
	is "  the client follows" "$status" 0
	is "  and written" "$(on_disk network-config)" "match: \"$host\" # another one"
	stop_proxy
else
	diag "no eth0: a signed assignment was not tried"
fi

# Sectors of 4096 bytes, and an image that is made for them
truncate -s 8M "$origin/image-4096"
attach "$origin/image-4096" -b 4096
printf 'label: gpt\nstart=256, type=linux\n' | sfdisk -q --no-tell-kernel "$loop"
losetup -d "$loop"
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/image-4096" >"$origin/feed.xml"
vmcast feed refresh >"$work/refreshed" 2>&1
wait_ingest image-4096
fill "$work/disk" 12M
attach "$work/disk" -b 4096
assign
run "$vmcastd_port"
is "a disk with sectors of 4096 bytes is written" "$status" 0
like "  its table" "$(sfdisk -d "$loop")" 'start= +2560, size= +256, .*name="cidata"'
like "  is right" "$(sfdisk --verify "$loop" 2>&1)" 'No errors detected'
is "  its volume" "$(on_disk network-config)" "match: \"$host\" # another one"
is "  is in its sectors" "$(blkid -p -o value -s LABEL -O $((10 << 20)) -S 1048576 "$work/disk") $(od -An -tu2 -j $(((10 << 20) + 11)) -N2 "$work/disk" | tr -d ' ')" "CIDATA 4096"

unlike "the secret is in no log" "$(<"$work/vmcastd.log")" "$secret"
unlike "nor in a job" "$(field /v1/jobs .)" "$secret"
unlike "nor in the database" "$(strings "$work/state/vmcast.db"*)" "$secret"
done_testing
