# SPDX-License-Identifier: GPL-2.0-or-later
# F01-F16: what happens between a server and the machine. Sourced by tests/faults/run.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are of and for tests/faults/run

# NAME|TOOLS|OUTCOME of ours|what its MESSAGE must have|SETUP|WHAT happens
network_cases()
{
	cat <<'END'
F00-nothing|all|right||:|nothing breaks
F01-closed-at-0|all|refused|cut off after 0 of|proxy close:0|each connection is closed before the first byte of the content
F01-closed-at-1|all|refused|cut off after 1 of|proxy close:1|each is closed after one byte
F01-closed-at-half|all|refused|cut off after|proxy close:50%|each is closed half way
F01-closed-before-last|all|refused|cut off after|proxy close:-1|each is closed before the last byte
F01-closed-in-header|all|refused|reply|proxy close-head:20|each is closed within the header
F01-closed-half-way-once|all|right||proxy close:50% --times 1|the first is closed half way
F02-reset-at-half|all|refused|gave up after|proxy rst:50%|each connection is reset half way
F02-reset-at-once|all|refused|gave up after|proxy rst-head:0|each is reset before the header
F02-reset-once|all|right||proxy rst:50% --times 1|the first is reset half way
F03-stalls-at-half|all|refused|no progress|proxy stall:50%|each connection stays open, and silent from half way on
F03-stalls-before-header|all|refused|no answer|proxy stall-head:0|the request is not read
F03-stalls-once|all|right||proxy stall:50% --times 1|the first stalls half way
F04-length-too-long|all|right||proxy length:+1000|Content-Length is 1000 too large
F04-length-too-short|all|refused||proxy length:-1000|it is 1000 too small
F04-no-length|all|right||proxy no-length|there is none
F04-no-length-cut-off|all|refused|ended after|proxy no-length:50%|there is none, and the connection is closed half way
F05-whole-file|vmcast qemu-img nbdcopy|right||proxy whole|200 and the whole file instead of a part
F05-range-mislabelled|vmcast qemu-img nbdcopy|refused|were asked for|proxy range:512|Content-Range says another place
F05-range-shifted|vmcast qemu-img nbdcopy|refused|were asked for|proxy shift:512|another part than was asked for
F05-no-content-range|vmcast qemu-img nbdcopy|refused|without a valid Content-Range|proxy no-range|206 without Content-Range
F05-etag-changes|vmcast|refused|another one .ETag|resumed && proxy 'etag:"other"' --skip 1|another ETag from the second part on
F05-file-changes|vmcast qemu-img nbdcopy|refused||resumed && old_copy --skip 1|the file becomes another one while parts of it are fetched
F06-redirect-elsewhere|all|refused|status 302|proxy 'redirect:http://127.0.0.1:9{path}'|redirected to a host that does not answer
F06-redirect-file|all|refused|status 302|proxy redirect:file:///etc/passwd|redirected to file:
F06-redirect-loop|all|refused|status 302|proxy 'redirect:{path}'|redirected to itself
F06-redirect-to-http|all|refused|status 302|tls downgrade|redirected from HTTPS to HTTP
F07-404|all|refused|status 404|proxy status:404|404
F07-410|all|refused|status 410|proxy status:410|410
F07-429-for-good|all|refused|status 429|proxy status:429:1|429, each time
F07-503-for-good|all|refused|status 503|proxy status:503:1|503, each time
F07-429-once|all|right||proxy status:429:2 --times 1|429 with Retry-After, once
F07-503-once|all|right||proxy status:503:2 --times 1|503 with Retry-After, once
F08-byte-wrong|all|refused|chunk [0-9]+|proxy flip:50%|a byte in the middle is wrong, each time
F08-first-byte-wrong|all|refused|chunk|proxy flip:0|the first byte is wrong, each time
F08-last-byte-wrong|all|refused|chunk|proxy flip:-1|the last byte is wrong, each time
F08-byte-wrong-once|all|right||proxy flip:50% --times 1|a byte is wrong, once
F08-index-byte-wrong|vmcast casync|refused|index|proxy flip:200 --path i[nb]d?e?x|a byte of the index is wrong, each time
F09-old-copy|all|refused||old_copy|a proxy has an old copy of the content under the new name
F10-name-unknown|all|refused|resolv|by_name nobody|the server's name does not exist
F10-name-moves|vmcast|right||by_name moves|the name moves to another address half way, the old one is gone
F10-no-dns|all|refused|[Rr]esolv|by_name silent|no name server answers
F11-loss|all|right||wire --lose 3|3 % of the packets are lost
F11-disorder|all|right||wire --swap 10 --double 5|10 % overtaken by the next, 5 % twice
F14-good|all|right||tls good|HTTPS with a certificate that is trusted
F14-expired|all|refused|certificate|tls expired|expired last year
F14-not-yet-valid|all|refused|certificate|tls future|valid from next year on, or the machine's clock is wrong (F13)
F14-wrong-host|all|refused|certificate|tls other-host|for another host
F14-self-signed|all|refused|certificate|tls self-signed|signed by itself
F14-unknown-root|all|refused|certificate|tls unknown-root|signed by somebody who is not trusted
F16-link-down|all|right||wire --down-after 1000000 --down-for 8|the link is down for 8 s
F16-link-down-60s|vmcast|right||wire --down-after 1000000 --down-for 60; patience=120|it is down for 60 s
F16-link-down-for-good|all|refused|gave up after|wire --down-after 1000000 --down-for 1000|it is down for good
END
}

# proxy FAULT [OPTION...]: faultproxy in front of the server, which strikes what is the disk's content unless told otherwise
proxy()
{
	start_proxy "${at##*:}" --fault "$1" --path "$payload" "${@:2}"
	at=http://127.0.0.1:$proxy_port
	must_strike=yes
}

# old_copy [OPTION...]: what is asked for is another version's
old_copy()
{
	local from=/image/ to=/older/

	if [[ $tool == vmcast ]]; then
		from=/$image_id/ to=/$older_id/
	fi
	proxy "swap:$from=>$to" "$@"
}

# resumed: the first half is on the disk already, so that a tool that looks asks for parts
resumed()
{
	[[ $tool == vmcast ]] || return 0
	cp --sparse=always "$image" "$case/disk"
	dd if="$used" of="$case/disk" bs=1M skip=8 seek=8 count=4 conv=notrunc status=none
	use_disk "$case/disk"
}

# ---- HTTPS

# prepare_network: certificates, nginx that shows them, and a resolver's configuration; ports in tls_port[KIND.TOOL]
declare -A tls_port
prepare_network()
{
	local kind

	[[ $(id -u) == 0 ]] || return 0
	mkdir -p "$work/nginx.d" "$work/trusted"
	make_certificates
	mount --bind "$work/trusted" /etc/ssl/certs
	vmcastd_port=$(free_port)
	inputs_port=$(free_port)
	for kind in good expired future other-host self-signed unknown-root downgrade; do
		tls_server "$kind" vmcast "$vmcastd_port"
		tls_server "$kind" other "$inputs_port"
	done >"$work/nginx.d/tls.conf"
	echo "server { listen 127.0.0.1:$inputs_port; root $work/origin; }" >>"$work/nginx.d/tls.conf"
}

# tls_server KIND TOOL PORT: an nginx server in front of PORT
tls_server()
{
	local kind=$1 port certificate=$1 downgrade=

	port=$(free_port)
	tls_port[$1.$2]=$port
	if [[ $kind == downgrade ]]; then
		certificate=good
		downgrade="location ~ ($payload) { return 302 http://127.0.0.1:$3\$request_uri; }"
	fi
	cat <<-END
		server {
			listen 127.0.0.1:$port ssl;
			ssl_certificate $work/$certificate.pem;
			ssl_certificate_key $work/server.key;
			proxy_max_temp_file_size 0;
			$downgrade
			location / { proxy_pass http://127.0.0.1:$3; }
		}
	END
}

make_certificates()
{
	local key=$work/server.key now name=IP:127.0.0.1

	now=$(date -u +%Y)
	openssl ecparam -name prime256v1 -genkey -noout -out "$key"
	for root in root unknown; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$root" \
			-keyout "$work/$root.key" -out "$work/$root.pem" 2>/dev/null
	done
	certificate good root "$((now - 1))" "$((now + 1))" "$name"
	certificate expired root "$((now - 2))" "$((now - 1))" "$name"
	certificate future root "$((now + 1))" "$((now + 2))" "$name"
	certificate other-host root "$((now - 1))" "$((now + 1))" DNS:other.example
	certificate unknown-root unknown "$((now - 1))" "$((now + 1))" "$name"
	openssl req -x509 -key "$key" -days 30 -subj /CN=127.0.0.1 -addext "subjectAltName=$name" -out "$work/self-signed.pem"
	cp "$work/root.pem" "$work/trusted/ca-certificates.crt"
	cp "$work/root.pem" "$work/trusted/root.pem"
	openssl rehash "$work/trusted" 2>/dev/null
}

# certificate NAME ROOT FROM-YEAR TO-YEAR SUBJECT-ALT-NAME
certificate()
{
	local dir=$work/ca.$1

	mkdir "$dir"
	: >"$dir/index"
	openssl req -new -key "$work/server.key" -subj "/CN=127.0.0.1" -out "$dir/request"
	printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s\nnew_certs_dir=%s\npolicy=p\nrand_serial=yes\ndefault_md=sha256\n[p]\nCN=supplied\n' \
		"$dir/index" "$dir" >"$dir/conf"
	openssl ca -batch -notext -config "$dir/conf" -cert "$work/$2.pem" -keyfile "$work/$2.key" -in "$dir/request" -out "$work/$1.pem" \
		-startdate "${3}0101000000Z" -enddate "${4}1231000000Z" -extfile <(echo "subjectAltName=$5") 2>/dev/null
}

# tls KIND: over HTTPS, with that kind of certificate
tls()
{
	need_root
	case $tool in
	vmcast) at=https://127.0.0.1:${tls_port[$1.vmcast]} ;;
	*) at=https://127.0.0.1:${tls_port[$1.other]} ;;
	esac
}

# ---- names and links

# by_name WAY: the server is found by its name. `nobody`: there is no such name; `moves`: it has another address half way, and
# nobody answers at the old one; `silent`: the name server does not answer
by_name()
{
	local dns=127.1.$((BASHPID / 250 % 250)).$((BASHPID % 250 + 1))

	need_root
	printf 'nameserver %s\noptions timeout:1 attempts:2\n' "$dns" >"$case/resolv.conf"
	# shellcheck disable=SC2016 # expanded by the sh within
	around unshare --mount sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$case/resolv.conf"
	mkdir "$case/hosts"
	case $1 in
	nobody) start_dns "$dns" ;;
	silent)
		socat -u "UDP-RECV:53,bind=$dns" OPEN:/dev/null &
		undo kill $!
		;;
	moves)
		echo "127.0.0.1 server.test" >"$case/hosts/a"
		start_dns "$dns"
		start_proxy "${at##*:}" --fault close:50% --path "$payload"
		"$top/tests/functional/faultproxy" --to "${at#http://}" --address 127.0.0.3 --listen "$proxy_port" --port-file "$case/new" &
		undo kill $!
		move_name &
		undo kill $!
		at=http://server.test:$proxy_port
		patience=120
		return
		;;
	esac
	at=http://server.test:${at##*:}
}

start_dns()
{
	dnsmasq --keep-in-foreground --user=root --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --listen-address="$1" --hostsdir="$case/hosts" \
		--pid-file= --local-ttl=0 &
	undo kill $!
	wait_for 60 port_53_answers "$1"
}

port_53_answers()
{
	(: >"/dev/tcp/$1/53") 2>/dev/null
}

# Once the fault has struck, the server that it struck is gone, and the name goes to the other one.
move_name()
{
	wait_for 60 grep -q close "$proxy_log"
	echo "127.0.0.3 server.test" >"$case/hosts/a"
	kill "$proxy_pid"
}

# wire OPTION...: between the tool and its server is a cable that does what tests/faults/wire is told
wire()
{
	local far near_ip far_ip net=10.$((100 + BASHPID / 250 % 100)).$((BASHPID % 250))

	need_root
	[[ -c /dev/net/tun ]] || skip_case "needs /dev/net/tun"
	near_ip=$net.1 far_ip=$net.2
	unshare --net sleep infinity &
	far=$!
	undo kill "$far"
	wait_for 60 other_net "$far"
	tests/faults/wire --far "$far" "$@" "$near_ip" "$far_ip" >"$case/wire" &
	undo kill $!
	wait_for 60 grep -q up "$case/wire"
	start_proxy "${at##*:}" --address "$near_ip"
	around nsenter "--net=/proc/$far/ns/net"
	at=http://$near_ip:$proxy_port
}

other_net()
{
	[[ $(readlink "/proc/$1/ns/net") != $(readlink /proc/self/ns/net) && $(cat "/proc/$1/comm") == sleep ]]
}
