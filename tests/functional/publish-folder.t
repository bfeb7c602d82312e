#!/bin/bash
# What `vmcast publish` makes is a feed that old readers can read and whose every word is true; a second run adds, replaces or
# removes its own items and nothing else; what it cannot use it refuses, and nothing is half done.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

www=$work/www
make_image "$work/disk.raw" $((6 << 20)) $((1 << 20))
gzip -c "$work/disk.raw" >"$work/packed.raw.gz"

# publish OPTION...: sets status, said (standard output), complaint
publish()
{
	status=0
	said=$("$BUILD/vmcast" publish --to "$www" "$@" 2>"$work/stderr") || status=$?
	complaint=$(<"$work/stderr")
}

# of_feed XPATH: from feed.xml
of_feed()
{
	xmllint --xpath "$1" "$www/feed.xml" 2>/dev/null
}

# names_whole_files: each enclosure is there, as long as the feed says and with its digest
names_whole_files()
{
	local count i file

	count=$(of_feed 'count(//item)') || return 1
	for ((i = 1; i <= count; i++)); do
		file=$www/$(of_feed "string(//item[$i]/enclosure/@url)")
		[[ $(stat -c %s "$file") == "$(of_feed "string(//item[$i]/enclosure/@length)")" ]] || return 1
		[[ sha256:$(sha256sum <"$file") == "$(of_feed "string(//item[$i]/*[local-name()='digest'])")  -" ]] || return 1
	done
}

publish "$work/disk.raw" --title 'Debian <12> & "more"' --description 'All of it'
is "an image is published" "$status" 0
ok "the feed is well-formed" xmllint --noout "$www/feed.xml"
is "its title is what was asked for" "$(of_feed 'string(//item/title)')" 'Debian <12> & "more"'
is "it has one enclosure" "$(of_feed 'count(//item/enclosure)')" 1
is "with nothing of ours in it" "$(of_feed 'count(//item/enclosure/@*)')" 3
for element in title link description language uuid; do
	is "the channel has a $element" "$(of_feed "count(/rss/channel/$element)")" 1
done
for element in title link description uuid guid pubDate; do
	is "the item has a $element" "$(of_feed "count(//item/$element)")" 1
done
is "guid and uuid are one" "$(of_feed 'string(//item/guid)')" "$(of_feed 'string(//item/uuid)')"
ok "the date is RFC 822 and now" test $(($(date +%s) - $(date -d "$(of_feed 'string(//item/pubDate)')" +%s))) -lt 600
ok "the enclosure is what the feed says" names_whole_files
is "its own form is published" "$(sha256sum <"$www/$(of_feed 'string(//enclosure/@url)')")" "$(sha256sum <"$work/disk.raw")"
image=$(of_feed "string(//*[local-name()='image']/@image)")
is "its deployable form unpacks to the disk" "$(zstd -dcq "$www/$image" | sha256sum)" "$(sha256sum <"$work/disk.raw")"
like "that URLs are relative is said" "$complaint" "base-url"
ok "whoever may read the folder may read all of it" test -z "$(find "$www" -not -perm -o=r)"

# The same once more, and others
first=$(of_feed 'string(//item/uuid)')
publish "$work/disk.raw" --title 'Debian <12> & "more"'
is "the same title is the same item" "$(of_feed 'count(//item)') $(of_feed 'string(//item/uuid)')" "1 $first"
like "which is said" "$said" "replaced"
publish "$work/packed.raw.gz" --base-url http://publisher.example/images
is "another title is another item, in front" "$(of_feed 'string(//item[1]/title)')" packed
is "the one before is still there" "$(of_feed "count(//item[uuid='$first'])")" 1
like "URLs are absolute from now on" "$(of_feed 'string(//item[2]/enclosure/@url)')" '^http://publisher.example/images/files/'
is "in the channel, too" "$(of_feed 'string(/rss/channel/link)')" http://publisher.example/images/
publish "$work/packed.raw.gz" --title third --form original --json
like "the base URL is remembered" "$(of_feed 'string(//item[1]/enclosure/@url)')" '^http://publisher.example/images/files/'
is "JSON says what was done" "$(jq -r '.items[0] | "\(.title) \(.replaced) \(.disks | length)"' <<<"$said")" "third false 0"
is "both share one file" "$(find "$www/files" -name '*packed*' | wc -l)" 1

# What somebody wrote into the feed by hand stays
sed -i 's|<title>third</title>|&<category>tests</category>|' "$www/feed.xml"
publish --remove "$first"
is "an item is removed" "$status $(of_feed "count(//item[uuid='$first'])")" "0 0"
is "with its file" "$(find "$www/files" -name '*disk*' | wc -l)" 0
is "and not what another item names, too" "$(find "$www/images" -name index | wc -l)" 1
is "what others wrote stays" "$(of_feed 'string(//category)')" tests
publish --remove "$first"
is "there is nothing to remove twice" "$status" 4

# Replaced with other bytes
make_image "$work/packed.raw" $((5 << 20)) $((1 << 20))
publish "$work/packed.raw" --title third
is "another image takes an item's place" "$(of_feed 'count(//item)')" 2
is "the deployable form of the one before stays while an item has it" "$(find "$www/images" -name index | wc -l)" 2

# Safe names, whatever the file is called
cp "$work/disk.raw" "$work/-a b;\$(touch x)é.raw"
publish -- "$work/-a b;\$(touch x)é.raw"
is "any name of a file will do" "$status" 0
is "names in the folder are plain" "$(find "$www" | sed "s|^$www||" | LC_ALL=C grep -c '[^A-Za-z0-9._/-]')" 0

# What is refused, and with which exit status; the feed stays as it was
before=$(sha256sum <"$www/feed.xml")
# refused LABEL STATUS SAYS OPTION...
refused()
{
	local label=$1 want=$2 says=$3
	shift 3
	publish "$@"
	is "$label: exit status" "$status" "$want"
	like "$label: and why" "$complaint" "$says"
}
refused "a file that is not there" 4 "No such file" "$work/nowhere"
refused "two of one name" 2 "both be called 'packed'" "$work/packed.raw" "$work/packed.raw.gz"
refused "a title for two" 2 "one IMAGE" "$work/packed.raw" "$work/disk.raw" --title x
refused "nothing to publish" 2 "no IMAGE"
refused "an unknown form" 2 "--form" "$work/disk.raw" --form best
refused "a base URL that is none" 2 "base URL" "$work/disk.raw" --base-url 'ftp://x/'
refused "two packages" 2 "choose one" "$work/disk.raw" --xvm2 --ova
refused "a title with a line break" 2 "title" "$work/disk.raw" --title $'a\nb'
cp "$work/packed.raw.gz" "$work/lie.raw.xz"
refused "a name that the bytes contradict" 2 "promises xz" "$work/lie.raw.xz"
head -c 100000 "$work/packed.raw.gz" >"$work/cut.raw.gz"
refused "an image that is cut short" 1 "truncated" "$work/cut.raw.gz"
is "the feed is as it was" "$(sha256sum <"$www/feed.xml")" "$before"
is "nothing half done is left" "$(find "$www" -name '.*' | wc -l)" 0


# What is no disk has no deployable form
cp /dev/null "$work/kernel"
perl -e 'my $k = "\0" x 65536; substr($k, 510, 2) = "\x55\xaa"; substr($k, 514, 6) = "HdrS\x0f\x02"; print $k' >"$work/kernel"
refused "a kernel as a disk" 1 "only the original form" "$work/kernel" --form deployable
refused "a kernel as a machine" 1 "only the original form" "$work/kernel" --ova
publish "$work/kernel"
is "a kernel is published as it is" "$status $(of_feed "count(//item[1]/*[local-name()='image'])")" "0 0"
like "which is said" "$complaint" "original form only"
before=$(sha256sum <"$www/feed.xml")

exec 9<"$www"
flock 9
refused "a folder at which another works" 1 "another vmcast publish" "$work/disk.raw"
exec 9<&-

# A feed that is not ours
mkdir "$work/theirs"
echo '<rss version="2.0"><channel><title>theirs</title></channel></rss>' >"$work/theirs/feed.xml"
www=$work/theirs
before=$(sha256sum <"$www/feed.xml")
refused "somebody else's feed" 1 "not written by vmcast publish" "$work/disk.raw"
is "it is left alone" "$(sha256sum <"$www/feed.xml") $(find "$www" | wc -l)" "$before 2"
www=$work/www
echo '<rss>' >"$www/feed.xml"
refused "a damaged feed" 1 "cannot be read: line" "$work/disk.raw"

# Killed at any call that changes what is on the disk, the feed is the old one or the new one
www=$work/killed
publish "$work/disk.raw" --title old
is "there is a feed" "$status" 0
calls=(write pwrite64 ftruncate fsync rename mkdir unlink rmdir)

# under_strace OPTION...: one more item, with the calls logged
under_strace()
{
	(ASAN_OPTIONS=detect_leaks=0 strace -f -o "$work/strace" -e "trace=$(IFS=,; echo "${calls[*]}")" "$@" \
		"$BUILD/vmcast" publish --to "$www" "$work/packed.raw" --title new || true) >"$work/traced" 2>&1
}

# killed_at CALL NR: true when it was, and the feed is whole
killed_at()
{
	publish --remove "$(of_feed 'string(//item[title="new"]/uuid)')"
	under_strace -e "inject=$1:signal=KILL:when=$2"
	grep -q 'killed by SIGKILL' "$work/strace" && [[ $(of_feed 'count(//item[title="old"])') == 1 ]] && names_whole_files
}

under_strace
cp "$work/strace" "$work/calls"
for call in "${calls[@]}"; do
	count=$(grep -c " $call(" "$work/calls") || continue
	# All of the last ones, which are about the feed; some of those before, which are about the image.
	for ((nr = 1; nr <= count; nr += nr < count - 8 ? count / 4 : 1)); do
		killed_at "$call" "$nr" || break
	done
	ok "killed at any of $count $call(), the feed is whole" test "$nr" -gt "$count"
done
publish "$work/packed.raw" --title last
is "and the next run goes on" "$status $(of_feed 'string(//item[1]/title)')" "0 last"
done_testing
