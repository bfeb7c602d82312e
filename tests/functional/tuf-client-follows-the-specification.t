#!/usr/bin/python3
"""The TUF client follows a repository: what it asks for, what it keeps, which keys and signatures count, where it looks for a target."""
import os
import sys
import textwrap

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tuf"))
from repository import TOP, Client, Key, Repository, done, equal, hashlib, json, ok, sign  # noqa: E402


def first_refresh():
    for consistent in (True, False):
        repository = Repository(consistent, hashes_in_meta=consistent)
        client = Client(repository)
        equal(f"consistent snapshots {consistent}: a first refresh", client.refresh(), 0)
        names = ["1.snapshot.json", "1.targets.json"] if consistent else ["snapshot.json", "targets.json"]
        equal("asks for one file after the other", repository.asked, ["2.root.json", "timestamp.json", *names])
        equal("and keeps what it was told", client.trusted(), dict.fromkeys(sorted(TOP), 1))
        repository.asked.clear()
        equal("the next one", client.refresh(), 0)
        equal("asks for what may be new", repository.asked, ["2.root.json", "timestamp.json"])


def all_kinds_of_keys():
    for kind in ("ed25519", "nistp256", "nistp384", "rsa"):
        repository = Repository(kind=kind)
        client = Client(repository)
        equal(f"{kind}: signatures are accepted", client.refresh(), 0)
        name = "metadata/2.snapshot.json"
        repository.publish()
        other = Key(kind)
        forged = json.loads(repository.files[name])
        forged["signatures"][0]["sig"] = json.loads(sign(forged["signed"], [other]))["signatures"][0]["sig"]
        repository.files[name] = json.dumps(forged).encode()
        equal(f"{kind}: another key's is not", client.refresh(), 1)
        ok("and this is said", "snapshot version 2: 0 of its 1 keys have signed, 1 must" in client.said, client.said)
    for bits in (1024, 4104):
        repository = Repository()
        repository.keys["timestamp"] = [Key("rsa", bits)]
        repository.publish_root()
        repository.publish()
        equal(f"an RSA key of {bits} bits counts for nothing", Client(repository).refresh(), 1)
    repository = Repository()
    repository.publish_root()
    strange = {"keytype": "lattice", "scheme": "lattice-1", "keyval": {"halves": ["a", "b"]}}
    repository.signed["root"]["keys"]["strange"] = strange
    repository.signed["root"]["roles"]["timestamp"]["keyids"].append("strange")
    repository.put("root", repository.keys["root"], repository.signed["root"]["version"])
    repository.publish()
    equal("a key of a kind that nobody knows yet is in nobody's way", Client(repository).refresh(), 0)


def rotation():
    for length, threshold, old, new, wanted in (
            (1, 1, (0,), (0,), 0), (1, 1, (), (0,), 1), (1, 1, (0,), (), 1), (5, 3, (0, 2, 4), (1, 2, 3), 0),
            (5, 3, (0, 2), (0, 1, 2), 1), (5, 3, (0, 1, 2), (0, 4), 1)):
        repository = Repository()
        repository.rotate("root", length, threshold)
        before = repository.keys["root"]
        repository.keys["root"] = [Key() for _ in range(length)]
        repository.publish_root(signers=[before[i] for i in old] + [repository.keys["root"][i] for i in new])
        client = Client(repository)
        equal(f"root signed by {len(old)} old and {len(new)} new keys, {threshold} of {length} must", client.refresh(), wanted)
        equal("the root that is trusted", client.trusted()["root"], 2 if wanted else 3)
    repository = Repository()
    for role in TOP * 5:
        repository.rotate(role)
    repository.publish()
    client = Client(repository)
    equal("five generations of every role's keys", (client.refresh(), client.trusted()["root"]), (0, 21))


def one_key_counts_once():
    def lines(text):
        head, *middle, tail = text.strip().split("\n")
        return "\n".join([head, *textwrap.wrap("".join(middle), 40), tail]) + "\n"

    for kind, label, rewrite in (
            ("ed25519", "", str), ("ed25519", ", in capitals", str.upper), ("nistp256", ", in other lines", lines)):
        repository = Repository()
        repository.signed["root"]["roles"]["snapshot"]["threshold"] = 2
        key, twin = Key(kind), Key(kind)
        twin.private = key.private
        twin.public = dict(key.public, note="the same", keyval={"public": rewrite(key.public["keyval"]["public"])})
        repository.keys["snapshot"] = [key, twin]
        repository.publish_root()
        repository.publish()
        client = Client(repository)
        equal(f"one key under two ids{label} does not make two signatures", client.refresh(), 1)
    repository.keys["snapshot"] = [key, Key()]
    repository.publish_root()
    repository.publish()
    equal("two keys do", client.refresh(), 0)


def what_was_seen_cannot_be_read():
    repository = Repository()
    client = Client(repository)
    equal("a refresh", client.refresh(), 0)
    os.unlink(client.metadata + "/timestamp.json")
    os.mkdir(client.metadata + "/timestamp.json")
    equal("what was seen before cannot be read: nothing goes on without it", client.refresh(), 1)
    ok("and this is said", "read '" in client.said, client.said)


def withheld_role():
    repository = Repository()
    repository.delegate("targets", "role")
    repository.publish(roles=["targets", "role"])
    del repository.files["metadata/1.role.json"]
    client = Client(repository)
    equal("a delegated role is withheld", client.download("x"), 1)
    ok("this is not 'no such target'", "delegated role 'role'" in client.said, client.said)


def unknown_fields():
    repository = Repository()
    client = Client(repository)
    repository.signed["root"]["x-note"] = {"ü": ["\"\\\n\t", True, None, -1], "a": {}}
    repository.signed["root"]["roles"]["root"]["x"] = 1
    repository.publish_root()
    equal("fields that nobody knows are part of what is signed", client.refresh(), 0)
    equal("and kept", open(client.metadata + "/root.json", "rb").read(), repository.files["metadata/2.root.json"])


def delegations():
    for title, graph, visited in (
            ("depth first", ("targets A", "targets B", "A C", "A D"), "ACDB"),
            ("terminating", ("targets A", "targets B", "A C!", "A D"), "AC"),
            ("terminating goes on below", ("targets A", "targets B", "A C!", "C D"), "ACD"),
            ("other patterns", ("targets A *.py", "targets B", "A C"), "B"),
            ("no '/' in '*'", ("targets A *", "targets B a/*", "targets C */t?rget"), "BC"),
            ("a circle", ("targets A", "A B", "B A"), "AB")):
        repository = Repository()
        for edge in graph:
            parent, role, *pattern = edge.split()
            repository.delegate(parent, role[0], pattern or ["a/*"], role.endswith("!"))
        names = [name for name in repository.signed if len(name) == 1]
        repository.publish(roles=["targets", *names])
        client = Client(repository)
        equal(f"{title}: a target that is nowhere", client.download("a/target"), 1)
        ok(f"{title}: and this is said", "no such target" in client.said, client.said)
        equal(f"{title}: the roles that are asked", "".join(name[2] for name in repository.asked[4:]), visited)
    repository = Repository()
    repository.delegate("targets", "bin", prefixes=[hashlib.sha256(b"a/b").hexdigest()[:4]])
    repository.add_target("a/b", b"in a bin", "bin")
    repository.publish(roles=["targets", "bin"])
    client = Client(repository)
    equal("a prefix of the path's hash", (client.download("a/b"), client.has("a/b")), (0, b"in a bin"))
    repository = Repository()
    for nr in range(40):
        repository.delegate("targets", f"r{nr}")
    repository.publish(roles=["targets", *(f"r{nr}" for nr in range(40))])
    client = Client(repository)
    equal("not more than 32 roles are asked", (client.download("x"), len(repository.asked)), (1, 4 + 32))
    ok("and this is said", "no more are asked" in client.said, client.said)


def names():
    for role in ("?", "#", "/role", "../role", "a b", "ü"):
        repository = Repository()
        repository.delegate("targets", role)
        repository.publish(roles=["targets", role])
        client = Client(repository)
        equal(f"a role named '{role}'", (client.download("x"), len(client.trusted())), (1, 5))
    repository = Repository()
    repository.delegate("targets", "root")
    equal("a delegation to 'root' is refused", (repository.publish(), Client(repository).refresh()), (None, 1))


def targets():
    repository = Repository()
    client = Client(repository)
    for path, data in (("file", b"one"), ("a/b/c d", b"two"), ("empty", b"")):
        repository.add_target(path, data)
        repository.publish()
        equal(f"target '{path}'", (client.download(path), client.has(path)), (0, data))
    asked = len(repository.asked)
    equal("what is there already", client.download("file"), 0)
    equal("is not asked for again", [name for name in repository.asked[asked:] if "file" in name], [])
    repository.add_target("file", b"newer")
    repository.publish()
    equal("another version", (client.download("file"), client.has("file")), (0, b"newer"))


first_refresh()
all_kinds_of_keys()
rotation()
one_key_counts_once()
what_was_seen_cannot_be_read()
withheld_role()
unknown_fields()
delegations()
names()
targets()
done()
