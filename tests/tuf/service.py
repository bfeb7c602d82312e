#!/usr/bin/python3
"""What a service signs with the key in a repository folder that `vmcast key` made; and metadata with another end than vmcast
would give it.

    service.py sign DIR                          new items, machines, snapshot and timestamp
    service.py expire FILE KEY PASSPHRASE-FILE   FILE has ended yesterday, and only KEY has signed it
"""
import os
import re
import sys

sys.dont_write_bytecode = True
from repository import Key, days, encode_canonical, hashlib, json, serialization, sign  # noqa: E402


class KeyOfFile(Key):
    def __init__(self, path, passphrase=None):
        self.kind = "ed25519"
        with open(path, "rb") as file:
            self.private = serialization.load_pem_private_key(file.read(), passphrase)
        self.public = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": self.public_text()}}
        self.id = hashlib.sha256(encode_canonical(self.public).encode()).hexdigest()


def write(path, data):
    with open(path + ".part", "wb") as file:
        file.write(data)
    os.rename(path + ".part", path)


def newest(folder, role):
    versions = [int(name.split(".")[0]) for name in os.listdir(folder) if re.fullmatch(rf"\d+\.{role}\.json", name)]
    return max(versions, default=0)


def sign_service(folder):
    key = KeyOfFile(folder + "/online.pem")
    metadata = folder + "/metadata"

    def put(name, role, version, **fields):
        kind = role if role in ("snapshot", "timestamp") else "targets"
        signed = {"_type": kind, "spec_version": "1.0.31", "version": version, "expires": days(1), **fields}
        write(f"{metadata}/{name}.json", sign(signed, [key]))

    version = newest(metadata, "snapshot") + 1
    meta = {"targets.json": {"version": newest(metadata, "targets")}}
    for role in "items", "machines":
        put(f"{version}.{role}", role, version, targets={})
        meta[role + ".json"] = {"version": version}
    put(f"{version}.snapshot", "snapshot", version, meta=meta)
    put("timestamp", "timestamp", version, meta={"snapshot.json": {"version": version}})


def expire(path, key, passphrase_file):
    with open(passphrase_file, "rb") as file:
        passphrase = file.read().strip()
    with open(path, "rb") as file:
        signed = json.load(file)["signed"]
    signed["expires"] = days(-1)
    write(path, sign(signed, [KeyOfFile(key, passphrase)]))


if __name__ == "__main__":
    {"sign": sign_service, "expire": expire}[sys.argv[1]](*sys.argv[2:])
