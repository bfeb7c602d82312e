"""A TUF repository in memory, served on 127.0.0.1, that can be made to lie; and TAP. Signed with Debian's python3-cryptography,
canonical JSON by python3-securesystemslib: nothing of what is tested takes part."""
import hashlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from securesystemslib.formats import encode_canonical

TOP = ["root", "timestamp", "snapshot", "targets"]


def days(count):
    return (datetime.now(timezone.utc) + timedelta(days=count)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Key:
    """kind: ed25519, nistp256, nistp384, rsa"""

    def __init__(self, kind="ed25519", bits=2048):
        self.kind = kind
        if kind == "ed25519":
            self.private = ed25519.Ed25519PrivateKey.generate()
            names = ("ed25519", "ed25519")
        elif kind == "rsa":
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
            names = ("rsa", "rsassa-pss-sha256")
        else:
            self.private = ec.generate_private_key(ec.SECP256R1() if kind == "nistp256" else ec.SECP384R1())
            names = ("ecdsa", "ecdsa-sha2-" + kind)
        self.public = {"keytype": names[0], "scheme": names[1], "keyval": {"public": self.public_text()}}
        self.id = hashlib.sha256(encode_canonical(self.public).encode()).hexdigest()

    def public_text(self):
        public = self.private.public_key()
        if self.kind == "ed25519":
            return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
        return public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, data):
        if self.kind == "ed25519":
            return self.private.sign(data).hex()
        if self.kind == "rsa":
            return self.private.sign(
                data, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH), hashes.SHA256()).hex()
        algorithm = hashes.SHA256() if self.kind == "nistp256" else hashes.SHA384()
        return self.private.sign(data, ec.ECDSA(algorithm)).hex()


def sign(signed, keys):
    data = encode_canonical(signed).encode()
    signatures = [{"keyid": key.id, "sig": key.sign(data)} for key in keys]
    return json.dumps({"signed": signed, "signatures": signatures}, indent=1).encode()


class Repository:
    """`signed` is what the roles say and may be changed at will; publish() signs it and puts it into `files`, which is what
    is served. `asked` are the paths that were asked for."""

    def __init__(self, consistent=True, kind="ed25519", hashes_in_meta=False):
        self.keys = {role: [Key(kind)] for role in TOP}
        self.consistent, self.hashes_in_meta = consistent, hashes_in_meta
        self.files, self.asked, self.hang = {}, [], None
        self.signed = {role: {"_type": role, "spec_version": "1.0.33", "version": 1, "expires": days(30)} for role in TOP}
        self.signed["root"]["consistent_snapshot"] = consistent
        self.signed["root"]["roles"] = {role: {"keyids": [], "threshold": 1} for role in TOP}
        self.signed["timestamp"]["meta"] = {}
        self.signed["snapshot"]["meta"] = {}
        self.signed["targets"]["targets"] = {}
        self.publish_root(bump=False)
        self.initial_root = self.files["metadata/1.root.json"]
        self.publish(bump=False)
        self.serve()

    def name_keys(self):
        root = self.signed["root"]
        root["keys"] = {key.id: key.public for role in TOP for key in self.keys[role]}
        for role in TOP:
            root["roles"][role]["keyids"] = [key.id for key in self.keys[role]]

    def publish_root(self, bump=True, signers=()):
        root = self.signed["root"]
        root["version"] += bump
        self.name_keys()
        self.put("root", signers or self.keys["root"], root["version"])

    def rotate(self, role, count=1, threshold=1):
        old = self.keys[role]
        self.keys[role] = [Key() for _ in range(count)]
        self.signed["root"]["roles"][role]["threshold"] = threshold
        self.publish_root(signers=(old + self.keys["root"]) if role == "root" else ())

    def put(self, role, keys, version):
        data = sign(self.signed[role], keys)
        prefix = f"{version}." if role == "root" or (self.consistent and role != "timestamp") else ""
        self.files[f"metadata/{prefix}{quote(role, '')}.json"] = data
        return data

    def meta(self, role, data):
        meta = {"version": self.signed[role]["version"]}
        if self.hashes_in_meta:
            meta.update(length=len(data), hashes={"sha256": hashlib.sha256(data).hexdigest()})
        return meta

    def publish_role(self, role, bump=True):
        self.signed[role]["version"] += bump
        return self.put(role, self.keys[role], self.signed[role]["version"])

    def publish(self, bump=True, roles=("targets",)):
        """The roles, then the snapshot and the timestamp of them."""
        for role in roles:
            data = self.publish_role(role, bump)
            self.signed["snapshot"]["meta"][f"{role}.json"] = self.meta(role, data)
        self.publish_snapshot(bump)

    def publish_snapshot(self, bump=True):
        data = self.publish_role("snapshot", bump)
        self.signed["timestamp"]["meta"]["snapshot.json"] = self.meta("snapshot", data)
        self.publish_role("timestamp", bump)

    def add_target(self, path, data, role="targets"):
        self.signed[role]["targets"][path] = {
            "length": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}
        self.files["targets/" + self.target_name(path, data)] = data

    def target_name(self, path, data):
        folder, _, name = path.rpartition("/")
        name = f"{hashlib.sha256(data).hexdigest()}.{name}" if self.consistent else name
        return f"{folder}/{name}" if folder else name

    def delegate(self, parent, role, paths=("*",), terminating=False, prefixes=None):
        """`role` is made, unless it is there; publish it and its parent."""
        self.keys.setdefault(role, [Key()])
        self.signed.setdefault(role, {"_type": "targets", "spec_version": "1.0.33", "version": 0,
                                      "expires": days(30), "targets": {}})
        delegations = self.signed[parent].setdefault("delegations", {"keys": {}, "roles": []})
        delegations["keys"].update({key.id: key.public for key in self.keys[role]})
        entry = {"name": role, "keyids": [key.id for key in self.keys[role]], "threshold": 1, "terminating": terminating}
        entry.update({"path_hash_prefixes": prefixes} if prefixes else {"paths": list(paths)})
        delegations["roles"].append(entry)

    def serve(self):
        repository = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.lstrip("/")
                repository.asked.append(path.split("/", 1)[-1])
                data = repository.files.get(path, repository.files.get(unquote(path)))
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                if data not in (ENDLESS, SLOW):
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    if data is ENDLESS:
                        while True:
                            self.wfile.write(b" " * 65536)
                    while data is SLOW:
                        self.wfile.write(b" ")
                        time.sleep(0.1)
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


ENDLESS, SLOW = b"never ends", b"drips"


class Client:
    """The program under test with folders of its own. `said` is its last standard error."""

    def __init__(self, repository, root=None):
        self.repository = repository
        self.folder = tempfile.TemporaryDirectory()
        self.metadata, self.targets = self.folder.name + "/metadata", self.folder.name + "/targets"
        os.mkdir(self.metadata)
        os.mkdir(self.targets)
        first = self.folder.name + "/root"
        with open(first, "wb") as file:
            file.write(root or repository.initial_root)
        self.run("init", first)

    def run(self, *args):
        url = self.repository.url
        done = subprocess.run(
            [os.environ.get("BUILD", "build") + "/tests/tuf/client", "--metadata-dir", self.metadata,
             "--metadata-url", url + "/metadata", "--target-base-url", url + "/targets", "--target-dir", self.targets,
             *args], stderr=subprocess.PIPE, text=True, check=False)
        self.said = done.stderr.strip()
        return done.returncode

    def refresh(self):
        return self.run("refresh")

    def download(self, path):
        return self.run("--target-name", path, "download")

    def trusted(self):
        """role -> version"""
        versions = {}
        for name in sorted(os.listdir(self.metadata)):
            with open(f"{self.metadata}/{name}", "rb") as file:
                versions[name.removesuffix(".json")] = json.load(file)["signed"]["version"]
        return versions

    def has(self, path):
        try:
            with open(f"{self.targets}/{quote(path, '')}", "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None


class Tap:
    count = failed = 0


def ok(label, condition, said=""):
    Tap.count += 1
    Tap.failed += not condition
    print(f"{'ok' if condition else 'not ok'} {Tap.count} - {label}")
    if not condition and said:
        print("# " + str(said).replace("\n", "\n# "))
    sys.stdout.flush()


def equal(label, got, wanted):
    ok(label, got == wanted, f"got:    {got}\nwanted: {wanted}")


def done():
    print(f"1..{Tap.count}")
    sys.exit(Tap.failed > 0)
