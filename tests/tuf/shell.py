#!/usr/bin/python3
"""A publisher's signed folder that a shell script drives: each line of standard input is Python, in which `r` is its repository
(repository.py); one line is answered, "ok" or what went wrong. The first line of output is the folder's URL."""
import sys

import repository

r = repository.Repository()


def sign_file(path, file):
    """`path` of the folder, from a file; nothing is served until r.publish()."""
    with open(file, "rb") as opened:
        data = opened.read()
    r.add_target(path, data)
    r.files[r.target_name(path, data)] = r.files.pop("targets/" + r.target_name(path, data))
    r.files[path] = data


def write_root(file):
    with open(file, "wb") as opened:
        opened.write(r.initial_root)


print(r.url, flush=True)
names = dict(vars(repository), r=r, sign_file=sign_file, write_root=write_root)
for line in sys.stdin:
    try:
        exec(line, names)  # pylint: disable=exec-used
        print("ok", flush=True)
    except Exception as error:  # pylint: disable=broad-except
        print(repr(error), flush=True)
