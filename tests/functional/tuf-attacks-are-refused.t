#!/usr/bin/python3
"""What the TUF specification protects from (section 1.5.2), each attack by a server that has what such an attacker has. The client
says why, and trusts what it trusted before."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tuf"))
from repository import ENDLESS, SLOW, TOP, Client, Key, Repository, days, done, equal, json, ok, sign  # noqa: E402


def refused(label, client, why, trusted=None, status=None):
    """The last command failed with `why`; what is trusted is what was."""
    equal(f"{label}: refused", client.refresh() if status is None else status, 1)
    ok(f"{label}: it says '{why}'", why in client.said, client.said)
    if trusted:
        equal(f"{label}: nothing of it is trusted", client.trusted(), trusted)


def up_to_date(**options):
    repository = Repository(**options)
    repository.add_target("image", b"the right image")
    repository.publish()
    client = Client(repository)
    client.refresh()
    return repository, client


def replace(repository, name, change, keys):
    """What is served as `name` says something else, signed by `keys`."""
    signed = json.loads(repository.files[name])["signed"]
    change(signed)
    repository.files[name] = sign(signed, keys)


def arbitrary_software():
    repository, client = up_to_date()
    path = "targets/" + repository.target_name("image", b"the right image")
    repository.files[path] = b"the wrong image"
    refused("other bytes of the same length", client, "sha256 is not the announced", None, client.download("image"))
    repository.files[path] = b"the right image and more"
    refused("longer bytes", client, "longer", None, client.download("image"))
    repository.files[path] = b"the right"
    refused("shorter bytes", client, "15 are announced", None, client.download("image"))
    equal("nothing is kept of these", os.listdir(client.targets), [])
    trusted = client.trusted()
    replace(repository, "metadata/timestamp.json", lambda signed: signed.update(version=9), [Key()])
    refused("metadata signed by somebody", client, "timestamp version 9: 0 of its 1 keys have signed", trusted)
    repository.files["metadata/timestamp.json"] = b'{"signed": {}, "signatures": []}'
    refused("metadata of nothing", client, "_type", trusted)


def rollback():
    repository, client = up_to_date()
    old = dict(repository.files)
    repository.publish()
    client.refresh()
    trusted = client.trusted()
    equal("versions are what is published", trusted, {"root": 1, "snapshot": 3, "targets": 3, "timestamp": 3})
    repository.files = old
    refused("last year's files", client, "timestamp version 2 is older than version 3", trusted)
    repository, client = up_to_date()
    repository.publish()
    client.refresh()
    repository.signed["snapshot"]["version"] = 1
    repository.publish_snapshot()
    refused("an older snapshot, newly announced", client, "snapshot version 2 is older than version 3")
    repository, client = up_to_date()
    repository.publish()
    client.refresh()
    repository.signed["targets"]["version"] = 1
    repository.publish()
    refused("older targets, newly announced", client, "targets.json version 2 is older than version 3")
    del repository.signed["snapshot"]["meta"]["targets.json"]
    repository.signed["snapshot"]["meta"]["other.json"] = {"version": 9}
    repository.publish_snapshot()
    refused("a snapshot without the targets", client, "nothing about 'targets.json'")
    repository, client = up_to_date()
    repository.delegate("targets", "gone")
    repository.publish(roles=["targets", "gone"])
    client.refresh()
    trusted = client.trusted()
    del repository.signed["snapshot"]["meta"]["gone.json"]
    repository.publish_snapshot()
    refused("a snapshot without a role", client, "'gone.json' is gone", {**trusted, "timestamp": 4})
    repository, client = up_to_date()
    repository.signed["root"]["version"] = 0
    repository.publish_root()
    repository.files["metadata/2.root.json"] = repository.files["metadata/1.root.json"]
    refused("an old root as the next one", client, "root version 1 came as version 2")


def fast_forward():
    for role, rotated in (("timestamp", ["timestamp"]), ("timestamp", ["snapshot"]), ("snapshot", ["snapshot", "timestamp"]),
                          ("snapshot", ["snapshot"]), ("snapshot", ["timestamp"]), ("targets", ["snapshot"])):
        repository, client = up_to_date()
        repository.signed[role]["version"] = 2**40
        repository.publish()
        client.refresh()
        repository.signed[role]["version"] = 3
        repository.publish()
        refused(f"{role} driven to a high version, and back", client, "is older than version 1099511627777")
        for name in rotated:
            repository.rotate(name)
        repository.publish()
        equal(f"{role}: it recovers with new keys of {', '.join(rotated)}", (client.refresh(), client.trusted()[role]), (0, 5))


def freeze():
    for role in TOP:
        repository, client = up_to_date()
        before = client.trusted()
        repository.signed[role]["expires"] = days(-1)
        if role == "root":
            repository.publish_root()
        repository.publish()
        refused(f"{role} whose time is over", client, f"{role} version", {**before, "root": 2} if role == "root" else None)
        equal(f"{role}: it is not trusted", client.trusted()[role], before[role] + (role == "root"))
    for time in ("2999-02-31T00:00:00Z", "2999-1-1T0:0:0Z", "2999-01-01T00:00:00", " 2999-01-01T00:00:00Z"):
        repository = Repository()
        repository.signed["timestamp"]["expires"] = time
        repository.publish()
        refused(f"'{time}' is no time", Client(repository), "is no time like")
    repository = Repository()
    repository.signed["timestamp"]["expires"] = days(0)
    repository.publish()
    refused("the same files for ever", Client(repository), "has expired")
    repository = Repository()
    repository.delegate("targets", "role")
    repository.signed["role"]["expires"] = days(-1)
    repository.add_target("old", b"old", "role")
    repository.publish(roles=["targets", "role"])
    client = Client(repository)
    refused("a delegated role whose time is over", client, "role version 1 has expired", None, client.download("old"))
    equal("and nothing of it is there", (client.has("old"), "role" in client.trusted()), (None, False))


def endless_data():
    for name in ("2.root.json", "timestamp.json", "3.snapshot.json", "3.targets.json"):
        repository, client = up_to_date()
        trusted = client.trusted()
        repository.publish()
        repository.files["metadata/" + name] = ENDLESS
        refused(f"{name} without an end", client, "longer")
        equal(f"{name}: nothing of it is trusted", client.trusted()["targets"], trusted["targets"])
    repository, client = up_to_date()
    repository.files["targets/" + repository.target_name("image", b"the right image")] = ENDLESS
    refused("a target without an end", client, "longer", None, client.download("image"))


def slow_retrieval():
    repository, client = up_to_date()
    trusted = client.trusted()
    repository.publish()
    good = repository.files["metadata/timestamp.json"]
    repository.files["metadata/timestamp.json"] = SLOW
    refused("a timestamp that drips", client, "timestamp.json': fewer than 1000 bytes/s", trusted)
    repository.files["metadata/timestamp.json"] = good
    repository.add_target("large", b"x" * 100000)
    repository.publish()
    repository.files["targets/" + repository.target_name("large", b"x" * 100000)] = SLOW
    refused("a target that drips", client, "fewer than 1000 bytes/s", None, client.download("large"))
    equal("and nothing of it is kept", os.listdir(client.targets), [])


def many_values():
    for name, most in (("2.root.json", 20000), ("timestamp.json", 1000)):
        repository, client = up_to_date()
        repository.files["metadata/" + name] = b'{"signed": [' + b"0," * most + b"0]}"
        refused(f"a {name} of more values than it may have", client, f"more than {most} values")
    repository, client = up_to_date()
    repository.publish()
    repository.files["metadata/3.targets.json"] = b'{"signed": [' + b"{}," * 1600000 + b"{}]}"
    refused("targets of millions of values", client, "more than 200000 values")
    repository = Repository()
    parent = "targets"
    for role in ("one", "two", "three"):
        repository.delegate(parent, role)
        repository.signed[role]["x"] = [0] * 90000
        parent = role
    repository.publish(roles=("three", "two", "one", "targets"))
    client = Client(repository)
    refused("roles that are many values together", client, "in delegated roles of 200000 values", None, client.download("x"))


def extraneous_dependencies():
    repository, client = up_to_date()
    repository.add_target("more", b"not asked for")
    repository.publish()
    equal("a target is downloaded", client.download("image"), 0)
    equal("and no other one with it", os.listdir(client.targets), ["image"])


def mix_and_match():
    for hashes in (False, True):
        repository, client = up_to_date(consistent=False, hashes_in_meta=hashes)
        trusted = client.trusted()
        earlier = repository.files["metadata/targets.json"]
        repository.publish()
        repository.files["metadata/targets.json"] = earlier
        refused(f"targets of before with a snapshot of now, hashes {hashes}", client,
                "sha256" if hashes else "version 2, version 3 is announced")
        equal("targets stay", client.trusted()["targets"], trusted["targets"])
        earlier = repository.files["metadata/snapshot.json"]
        repository.publish()
        repository.files["metadata/snapshot.json"] = earlier
        refused(f"a snapshot of before with a timestamp of now, hashes {hashes}", client, "announced")


def wrong_software():
    repository, client = up_to_date()
    repository.add_target("other", b"another image..")
    repository.publish()
    files = repository.files
    files["targets/" + repository.target_name("image", b"the right image")] = b"another image.."
    refused("another target that is signed as well", client, "sha256", None, client.download("image"))
    equal("what is not signed for cannot be had", client.download("not-there"), 1)
    ok("and this is said", "no such target" in client.said, client.said)


def one_role_for_another():
    repository = Repository()
    key = Key()
    repository.keys.update(dict.fromkeys(TOP[1:], [key]))
    repository.publish_root()
    repository.publish()
    repository.files["metadata/2.snapshot.json"] = repository.files["metadata/timestamp.json"]
    refused("a timestamp as a snapshot, signed by a key of both", Client(repository), "it is 'timestamp', 'snapshot' is needed")


def malicious_mirrors():
    repository, client = up_to_date()
    trusted, good = client.trusted(), dict(repository.files)
    for label, files in (("a server without files", {}), ("one that says the same of all", dict.fromkeys(good, b"<html>")),
                         ("one with empty files", dict.fromkeys(good, b""))):
        repository.files = files
        equal(f"{label}: refused", client.refresh(), 1)
        equal(f"{label}: nothing of it is trusted", client.trusted(), trusted)
    repository.files = good
    equal("a good one goes on from there", (client.refresh(), client.download("image")), (0, 0))


def keys_below_the_threshold():
    for role in ("timestamp", "snapshot", "targets"):
        repository, client = up_to_date()
        repository.rotate(role, 3, 2)
        stolen = repository.keys[role]
        repository.keys[role] = stolen[:2]
        repository.publish()
        equal(f"{role}: two of three keys are enough", client.refresh(), 0)
        repository.keys[role] = stolen[:1]
        repository.publish()
        refused(f"{role}: one stolen key of three", client, "1 of its 3 keys have signed, 2 must")
        repository.keys[role] = [stolen[0], stolen[0], Key()]
        repository.publish()
        refused(f"{role}: one stolen key, twice", client, "1 of its 3 keys have signed, 2 must")
    repository, client = up_to_date()
    repository.rotate("root", 3, 2)
    old = repository.keys["root"]
    repository.keys["root"] = [Key()]
    repository.signed["root"]["roles"]["root"]["threshold"] = 1
    repository.publish_root(signers=old[:1] + repository.keys["root"])
    refused("root: one stolen key hands the site over", client, "root version 3: 1 of its 3 keys have signed, 2 must")
    equal("the root stays", client.trusted()["root"], 2)


arbitrary_software()
rollback()
fast_forward()
freeze()
endless_data()
slow_retrieval()
many_values()
extraneous_dependencies()
mix_and_match()
wrong_software()
one_role_for_another()
malicious_mirrors()
keys_below_the_threshold()
done()
