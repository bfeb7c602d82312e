#!/usr/bin/python3
"""A machine with a key, as the service sees it.

    machine.py key KIND FILE                            a new key: ed25519 or nistp256
    machine.py plan FILE KEPT URL JSON                  ask for a plan: JSON is the request without the key
    machine.py guests FILE KEPT URL JSON                a node's report on its guests: JSON is the request without the key
    machine.py report FILE URL PLAN JSON                report on the job of the plan in the file PLAN
    machine.py seed FILE URL PLAN PUBLIC                ask for the seed of the job of the plan, sealed for this X25519 key (hex)
    machine.py done FILE KEPT URL PLAN SEQ [NAME=JSON]  the last report, with a receipt in which fields are changed

Prints the HTTP status and the body. FILE may be "-": without a key. SIGN=FILE in the environment: that key signs instead;
PREVIOUS: the receipt before, where it is not what the plan says."""
import json
import os
import sys
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from repository import Key, encode_canonical, hashlib, serialization  # noqa: E402


class KeptKey(Key):
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.kind, pem = file.read().split("\n", 1)
        self.private = serialization.load_pem_private_key(pem.encode(), None)
        names = ("ed25519", "ed25519") if self.kind == "ed25519" else ("ecdsa", "ecdsa-sha2-" + self.kind)
        self.public = {"keytype": names[0], "scheme": names[1], "keyval": {"public": self.public_text()}}
        self.id = hashlib.sha256(encode_canonical(self.public).encode()).hexdigest()


def load(path):
    return None if path == "-" else KeptKey(path)


def new(kind, path):
    key = Key(kind)
    pem = key.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{kind}\n{pem.decode()}")


def post(key, url, path, body, bearer=None):
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = "Bearer " + bearer
    key = load(os.environ["SIGN"]) if "SIGN" in os.environ else key
    if key:
        text = f"vmcast-request-1\nPOST\n{path}\n{hashlib.sha256(data).hexdigest()}\n"
        headers["Vmcast-Signature"] = f"{key.id}:{key.sign(text.encode())}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, data, headers)) as answer:
            print(answer.status, answer.read().decode("utf-8", "backslashreplace").replace("\0", "\\0"))
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())


def ask(key, kept, url, path, text):
    body = json.loads(text)
    if key:
        body.update(machine_key=key.public, key_kept=kept)
    post(key, url, path, body)


def plan(key, kept, url, text):
    ask(key, kept, url, "/v1/plan", text)


def guests(key, kept, url, text):
    ask(key, kept, url, "/v1/guests", text)


def read_plan(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def report(key, url, path, text):
    plan = read_plan(path)
    post(key, url, "/v1/jobs/" + plan["job"], json.loads(text), plan["ticket"])


def seed(key, url, path, public):
    plan = read_plan(path)
    post(key, url, "/v1/seed", {"version": 1, "job": plan["job"], "public_key": public}, os.environ.get("TICKET", plan["ticket"]))


def done(key, kept, url, path, seq, *changes):
    plan = read_plan(path)
    signed = {"_type": "receipt", "version": 1, "machine": plan["machine"], "key": key.public, "key_kept": kept,
              "client": "a test", "item": {name: plan["item"][name] for name in ("id", "uuid", "title", "version")},
              "job": plan["job"], "disks": [], "started_at": 1, "ended_at": 2, "durations_ms": {},
              "previous": os.environ.get("PREVIOUS", plan["receipt"]["previous"])}
    for change in changes:
        name, value = change.split("=", 1)
        signed[name] = json.loads(value)
    receipt = {"signed": signed, "signatures": [{"keyid": key.id, "sig": key.sign(encode_canonical(signed).encode())}]}
    if "AFTER" in os.environ:
        signed["client"] = "altered after it was signed"
    post(key, url, "/v1/jobs/" + plan["job"], {"seq": int(seq), "phase": "done", "receipt": receipt}, plan["ticket"])


command, *args = sys.argv[1:]
if command == "key":
    new(*args)
else:
    {"plan": plan, "guests": guests, "report": report, "seed": seed, "done": done}[command](load(args[0]), *args[1:])
