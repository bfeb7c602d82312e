#!/bin/bash
# `vmcast feed check` says of a feed, line by line, what a service would make of it; the schema in docs agrees with what is read.
# CHECK_WRITE=1 writes what is expected anew.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
data=tests/data/feeds

# check PLACE: sets status, said
check()
{
	status=0
	said=$("$BUILD/vmcast" feed check "$@" 2>&1) || status=$?
}

# FEED|EXIT STATUS|WHETHER THE SCHEMA TAKES IT
while IFS='|' read -r name wanted valid; do
	check "$data/$name.xml"
	is "$name: exit status" "$status" "$wanted"
	[[ -z ${CHECK_WRITE-} ]] || printf '%s\n' "$said" >"$data/$name.check"
	is "$name: what is said" "$said" "$(<"$data/$name.check")"
	status=0
	xmllint --noout --relaxng docs/feed-extension.rng "$data/$name.xml" 2>"$work/xmllint" || status=$?
	is "$name: the schema" "$status" "$valid"
done <<'END'
vmcast|0|0
atom|5|0
media|5|0
dialect-xvm|0|0
dialect-xvm2|0|0
hostile|5|3
entities|1|1
END

check docs/examples/feed.xml
is "the example of the documentation is without fault" "$status" 0
unlike "and nothing could be better" "$said" "advice|refused"
ok "and of the schema" xmllint --noout --relaxng docs/feed-extension.rng docs/examples/feed.xml
"$BUILD/vmcast" --json feed check "$data/media.xml" >"$work/json" 2>"$work/said" || true
is "as JSON: items" "$(jq -r '.items[] | "\(.line) \(.architecture) \(.url)"' "$work/json" | head -n 2)" "10 x86_64 mail.ova
25 x86_64 two-amd64.img"
is "as JSON: how many were refused" "$(jq .refused "$work/json")" 2

check "$work/nowhere.xml"
is "a file that is not there" "$status" 4
check "$data"
is "a folder" "$status" 2
start_origin
cp "$data/vmcast.xml" "$origin/"
check "http://127.0.0.1:$origin_port/vmcast.xml"
is "a feed on a server" "$status" 0
check "http://127.0.0.1:$origin_port/nowhere.xml"
is "one that is not there" "$status" 4
check "http://127.0.0.1:1/feed.xml"
is "a server that is not there" "$status" 3
sed 's,url="debian-12.raw.zst",url="file:///etc/passwd",' "$data/vmcast.xml" >"$origin/file.xml"
check "http://127.0.0.1:$origin_port/file.xml"
is "a feed that names a file of the subscriber's" "$status" 5
like "says so" "$said" "refused: line 12: .*may not name files"
sed 's,type="application/zstd",type="application/gzip",' "$data/vmcast.xml" >"$origin/other.xml"
check "$origin/other.xml"
like "a type that the name contradicts: says so" "$status $said" "^5 .*refused: line 12: .*zst"
done_testing
