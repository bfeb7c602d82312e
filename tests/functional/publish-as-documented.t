#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each command of docs/how-to/publish.md as it stands there, with folders and hosts of our own: what it publishes a subscriber has.
# shellcheck disable=SC2317,SC2016 # functions are handed to `ok`; Markdown
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
umask 022

doc=$top/docs/how-to/publish.md
: >"$work/documented"
start_origin
start_vmcastd
mkdir -p "$work/media" "$work/bin" "$work/home" "$work/images"
chmod 700 "$work/media"
(umask 077 && echo 'correct horse' >"$work/passphrase")
for name in debian-12 debian-12-new ubuntu; do
	make_image "$work/images/$name.raw" 4M $((1 << 20))
	qemu-img convert -O qcow2 "$work/images/$name.raw" "$work/images/$name.qcow2"
done
make_image "$work/images/fedora.raw" 4M $((1 << 20))
zstd -q "$work/images/fedora.raw"
# Who publishes is in the folder of his images, and has vmcast in his path.
cat >"$work/bin/vmcast" <<-END
	#!/bin/sh
	exec "$BUILD/vmcast" --socket "$work/run/api.sock" "\$@"
END
chmod +x "$work/bin/vmcast"
ln -s "$BUILD/vmcast-unpack" "$work/bin/"
uuid=

# doc LABEL LINE: a command of the documentation succeeds; its output is in $out
doc()
{
	local line=$2 status=0

	echo "$line" >>"$work/documented"
	line=${line//\/var\/www\/html/$origin}
	line=${line//www:/}
	line=${line//\/media\/keys/$work/media/keys}
	line=${line//https:\/\/images.example.org/http://127.0.0.1:$origin_port}
	line=${line//0a695590-e807-8100-947c-2ad8c9004bcb/$uuid}
	[[ $line != *" key init "* ]] || line+=" --passphrase-file $work/passphrase"
	# This publisher's server has no https.
	[[ $line != *" feed add "* ]] || line+=" policy=none"
	out=$(cd "$work/images" && HOME=$work/home PATH=$work/bin:$PATH bash -euc "$line" 2>"$work/said") || status=$?
	is "$1" "$status" 0
	[[ $status == 0 ]] || diag "$(cat "$work/said")"
}

# titles FEED-FILE
titles()
{
	"$BUILD/vmcast" --json feed check "$1" | jq -r '[.items[].title] | join(", ")'
}

folder=$origin/images
doc "an image is published" \
	"vmcast publish debian-12.qcow2 --title 'Debian 12' --to /var/www/html/images --base-url https://images.example.org/images"
like "  it says as what" "$out" "uuid +[0-9a-f-]{36}"
uuid=$(sed -n 's/^uuid *//p' <<<"$out")
doc "and subscribed to" "vmcast feed add --wait https://images.example.org/images/feed.xml"
is "  a subscriber has it" "$(field /v1/items '[.items[].title] | join(", ")')" "Debian 12"
doc "another version" "vmcast publish debian-12-new.qcow2 --title 'Debian 12' --to /var/www/html/images"
is "  takes the first one's place" "$(titles "$folder/feed.xml")" "Debian 12"
doc "two more" "vmcast publish fedora.raw.zst ubuntu.qcow2 --to /var/www/html/images"
is "  are in front" "$(titles "$folder/feed.xml")" "ubuntu, fedora, Debian 12"
doc "one is taken away" "vmcast publish --remove 0a695590-e807-8100-947c-2ad8c9004bcb --to /var/www/html/images"
is "  and is gone" "$(titles "$folder/feed.xml")" "ubuntu, fedora"
doc "keys are made" "vmcast key init --feed --keys /media/keys --repository ~/publisher"
doc "and exported" "vmcast key export --repository ~/publisher -o publisher.root.json"
doc "a signed feed" "vmcast publish debian-12.qcow2 --title 'Debian 12' --to ~/feed --key ~/publisher"
like "  with its end" "$out" "signed +version [0-9]+, to be signed again before"
doc "goes to the web server" "rsync -a --exclude metadata/ ~/feed/ www:/var/www/html/images/"
doc "  its metadata" "rsync -a --exclude timestamp.json ~/feed/metadata/ www:/var/www/html/images/metadata/"
doc "  and its timestamp, last" "rsync -a --delete ~/feed/ www:/var/www/html/images/"
signed=$(vmcast --json feed add --wait "http://127.0.0.1:$origin_port/images/feed.xml?signed" "root=$work/images/publisher.root.json" 2>&1) ||
	diag "$signed"
is "a subscriber with its root takes it for signed" "$(field /v1/items '[.items[] | select(.proof == "signed") | .title] | join(", ")')" "Debian 12"
doc "it is signed again" "vmcast publish --to ~/feed --key ~/publisher"
doc "for VMware and its like" "vmcast publish debian-12.qcow2 --title 'Debian 12 OVA' --to /var/www/html/images --ova --cpus 2 --memory 2G"
doc "for Archipel and its like" "vmcast publish debian-12.qcow2 --title 'Debian 12 xvm2' --to /var/www/html/images --xvm2 --firmware uefi"
doc "it is checked" "vmcast feed check /var/www/html/images/feed.xml"
like "  item by item" "$out" "Debian 12 xvm2"

is "all commands of the documentation were run" \
	"$(sed -n '/^```sh$/,/^```$/{/^```/d; p}' "$doc" | sort -u)" "$(sort -u "$work/documented")"
done_testing
