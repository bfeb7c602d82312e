# shellcheck shell=bash disable=SC2154,SC2034 # sourced after tests/lib.sh, by tests that use what it sets
# repository: a service's own TUF repository below $work, and a client of it that remembers.

trust=$work/state/trust
mac=52:54:00:12:34:56
# The machine's assignment is in the list of the first digit of its path's hash.
bin=machines-$(printf 'machines/52-54-00-12-34-56.json' | sha256sum | cut -c 1)

# make_keys: the site's, before the service starts
make_keys()
{
	(umask 077 && echo 'correct horse battery' >"$work/passphrase")
	mkdir -p "$work/state" "$work/client"
	"$BUILD/vmcast" key init --keys "$work/keys" --repository "$trust" --passphrase-file "$work/passphrase" >"$work/said" 2>&1 ||
		{ cat "$work/said"; exit 1; }
}

# number NAME: the newest version of a role's file
number()
{
	find "$trust/metadata" -name "*.$1.json" -printf '%f\n' | sort -n | tail -n 1 | cut -d. -f1
}

# signed FILTER FILE: a field of what is signed
signed()
{
	jq -r ".signed$1" "$trust/metadata/$2"
}

tuf_url()
{
	echo "http://127.0.0.1:$vmcastd_port/tuf"
}

tuf()
{
	"$BUILD/tests/tuf/client" --metadata-dir "$work/client" --metadata-url "$(tuf_url)/metadata/" "$@"
}

# target NAME: its bytes, by the client
target()
{
	rm -rf "$work/files" && mkdir "$work/files"
	tuf --target-name "$1" --target-base-url "$(tuf_url)/targets/" --target-dir "$work/files" download \
		2>"$work/said" && cat "$work"/files/*
}

# plan: status; body in $work/plan
plan()
{
	curl -s -o "$work/plan" -w '%{http_code}' -H 'Content-Type: application/json' \
		-d "{\"version\":1,\"item\":\"$item\",\"macs\":[\"$mac\"],\"ticket\":\"$(boot_ticket "$mac" "$item")\"}" \
		"http://127.0.0.1:$vmcastd_port/v1/plan"
}
