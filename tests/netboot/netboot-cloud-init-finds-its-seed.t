#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real Debian with cloud-init, assigned with a seed: a disk without room for it is refused and not touched; on a larger one host
# name, user, SSH key and network are there after the first boot: by a reset on BIOS, by kexec on UEFI. The secret is in no log.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

debian=$BUILD/images/debian-12-cloud.raw.zst
disk_bytes=$((1200 << 20))
secret=secret$token
ssh_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI$(printf '%043d' 0 | tr 0 A) key-$token"

# make_seed: the templates of seed "web"
make_seed()
{
	mkdir -p "$work/seeds/web"
	chmod 0700 "$work/seeds/web"
	cat >"$work/seeds/web/user-data" <<-END
		#cloud-config
		users:
		  - name: deploy
		    gecos: $secret
		    shell: /bin/sh
		    ssh_authorized_keys: ["$ssh_key"]
		write_files:
		  - path: /etc/issue.d/seed.issue
		    content: "of {{item.title}}"
		runcmd:
		  - [sh, -c, 'echo "seed-host \$(hostname) end" >/dev/ttyS0']
		  - [sh, -c, 'echo "seed-user \$(getent passwd deploy) end" >/dev/ttyS0']
		  - [sh, -c, 'echo "seed-key \$(cat /home/deploy/.ssh/authorized_keys) end" >/dev/ttyS0']
		  - [sh, -c, 'echo "seed-net \$(ip -4 -o address show dev seed0) end" >/dev/ttyS0']
		  - [sh, -c, 'echo "seed-id \$(cat /run/cloud-init/.instance-id) \$(cat /etc/issue.d/seed.issue) end" >/dev/ttyS0']
		  - [sh, -c, 'echo "seed-disk \$(blkid -L CIDATA) end" >/dev/ttyS0']
		  - [sh, -c, 'wipefs -q -a "\$(blkid -L CIDATA)"; udevadm settle; echo "seed-wiped \$(blkid -L CIDATA) end" >/dev/ttyS0']
		  - [sh, -c, 'echo "seed-all end" >/dev/ttyS0']
	END
	cat >"$work/seeds/web/network-config" <<-END
		version: 2
		ethernets:
		  nic:
		    match: {macaddress: "{{mac}}"}
		    set-name: seed0
		    addresses: [10.77.0.77/24]
	END
}

# first_boot NAME MAC: what the system says of itself
first_boot()
{
	local name=$1 mac=$2 said

	ok "$name: cloud-init is through" lab wait "$name" 'seed-all end' 900
	said=$(lab said "$name")
	like "$name: it has its host name" "$said" "seed-host $name end"
	like "$name: the user" "$said" "seed-user deploy:x:[0-9]+:[0-9]+:$secret:/home/deploy:/bin/sh end"
	like "$name: his SSH key, and no other" "$said" "seed-key [^[:cntrl:]]*${ssh_key}[[:space:]]+end"
	like "$name: the network" "$said" "seed-net [^[:cntrl:]]*inet 10\.77\.0\.77/24 [^[:cntrl:]]*seed0"
	like "$name: instance and item are this one's" "$said" "seed-id vmcast-${mac//:/}-[0-9a-f]{16} of Debian _cloud_ [a-z]+ end"
	like "$name: it is a partition of its disk" "$said" "seed-disk /dev/vda4 end"
	like "$name: which can be emptied" "$said" "seed-wiped  end"
	is "$name: the service has the receipt" "$(last_job phase) $(last_job exit)" "done 0"
}

make_seed
"$top/qemu/image" debian-cloud
netboot_up --dhcp own --config - <<-END
	seeds_dir = $work/seeds
END

# announce_for LANDING: sets $item to that of a feed of its own
announce_for()
{
	"$top/qemu/feed" http://10.77.0.1:8088 --title "Debian \"cloud\" $1" "$debian" |
		sed 's|</vmcast:digest>|&<vmcast:landing>'"$1"'</vmcast:landing>|' >"$work/$1.xml"
	lab serve "$debian" "$work/$1.xml"
	lab vmcast feed add --wait "http://10.77.0.1:8088/$1.xml" policy=none >"$work/feed.log" 2>&1 || diag "$(cat "$work/feed.log")"
	item=$(api item list | jq -r ".items[] | select(.title | endswith(\" $1\")) | .id")
	# shellcheck disable=SC2317 # called by wait_for
	is_ingested() { [[ $(api item list | jq -r ".items[] | select(.id == \"$item\") | .state") == ready ]]; }
	wait_for 300 is_ingested || diag "$(api item list)"
}

announce_for disk

# No room
full_disk "$work/small.raw" "$disk_bytes"
sum=$(sha256sum <"$work/small.raw")
lab vmcast machine assign 52:54:00:77:02:01 "$item" --seed web >/dev/null
lab machine --id small --mac 52:54:00:77:02:01 --memory 768 --disk-file "$work/small.raw" --detach >/dev/null
ok "small: the client refuses" lab wait small 'there is no place for the seed: it takes' 240
ok "small: the service knows" wait_job failed 60
is "small: as a target that is refused" "$(last_job exit)" 5
like "small: and by how much" "$(last_job message)" 'the disk is 1\.0 MiB \(1065472 bytes\) too small'
lab stop small
is "small: nothing was written" "$(sha256sum <"$work/small.raw")" "$sum"
rm "$work/small.raw"

# By a reset
lab vmcast machine assign 52:54:00:77:02:02 "$item" --seed web --hostname reset >/dev/null
lab machine --id reset --mac 52:54:00:77:02:02 --memory 1024 --disk 1280M --detach >/dev/null
ok "reset: the image is committed" lab wait reset 'vmcast: commit' 600
like "reset: with its seed" "$(lab said reset)" "vmcast: seed at .*: 'web', for the first boot: 3 files"
first_boot reset 52:54:00:77:02:02
lab stop reset

announce_for kexec
lab vmcast machine assign 52:54:00:77:02:03 "$item" --seed web --hostname kexec >/dev/null
lab machine --id kexec --uefi --mac 52:54:00:77:02:03 --memory 1024 --disk 1280M --detach >/dev/null
ok "kexec: the image is committed" lab wait kexec 'vmcast: commit' 600
first_boot kexec 52:54:00:77:02:03
unlike "kexec: the disk's boot loader was not started" "$(lab said kexec)" "GRUB: starting Debian"
lab stop kexec

unlike "the secret is in no log of the service" "$(cat "$BUILD/lab/$LAB"/*.log)" "$secret"
unlike "nor in a job" "$(api job list)" "$secret"
unlike "nor on a console, but for what the system printed" "$(lab said reset | grep -v seed-user)$(lab said kexec | grep -v seed-user)" "$secret"
done_testing
