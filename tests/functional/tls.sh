# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of TLS share: CAs, and certificates that no service would make. Sourced behind tests/lib.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are set for the tests

echo "correct horse" >"$work/passphrase"
chmod 600 "$work/passphrase"
mkdir -p "$work/state"
key_ca() { "$BUILD/vmcast" key ca "$@" --passphrase-file "$work/passphrase"; }

# make_certificate FILE ISSUER-FOLDER NAME DAYS: what an issuer's key can sign, by somebody who holds it; ISSUER-FOLDER "self": its own.
# DAYS: how long it is good from now on, "later": from tomorrow on
make_certificate()
{
	/usr/bin/python3 - "$@" <<-'END'
		import datetime, ipaddress, sys
		from cryptography import x509
		from cryptography.hazmat.primitives import hashes, serialization
		from cryptography.hazmat.primitives.asymmetric import ec
		file, folder, name, days = sys.argv[1:]
		key = ec.generate_private_key(ec.SECP256R1())
		day = datetime.timedelta(days=1)
		now = datetime.datetime.utcnow()
		begin, end = (now + day, now + 2 * day) if days == "later" else (now - 10 * day, now + int(days) * day)
		subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vmcastd")])
		chain, issuer, issuer_key = b"", subject, key
		if folder != "self":
		    chain = open(folder + "/issuer.pem", "rb").read()
		    issuer = x509.load_pem_x509_certificate(chain).subject
		    issuer_key = serialization.load_pem_private_key(open(folder + "/issuer-key.pem", "rb").read(), None)
		names = [x509.DNSName(name)] if name[0].isalpha() else [x509.IPAddress(ipaddress.ip_address(name))]
		made = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
		    .serial_number(x509.random_serial_number()).not_valid_before(begin)
		    .not_valid_after(end)
		    .add_extension(x509.SubjectAlternativeName(names), False).sign(issuer_key, hashes.SHA256()))
		with open(file, "wb") as to:
		    to.write(made.public_bytes(serialization.Encoding.PEM) + chain)
		with open(file + ".key", "wb") as to:
		    to.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
		                               serialization.NoEncryption()))
	END
}

# impostor ISSUER-FOLDER NAME DAYS [OPTIONS]: a server with such a certificate, that answers every request; sets port
impostor()
{
	port=$(free_port)
	make_certificate "$work/$port.pem" "$1" "$2" "$3"
	# shellcheck disable=SC2086 # several words
	openssl s_server -quiet ${4-} -accept "127.0.0.1:$port" -cert "$work/$port.pem" -key "$work/$port.pem.key" \
		-cert_chain "$work/$port.pem" -www >"$work/s_server.log" 2>&1 &
	at_exit kill $!
	wait_for 60 port_answers "$port"
}
