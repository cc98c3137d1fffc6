#!/usr/bin/env python3
"""Turns files into a C table of struct embed_file (src/base/embed.h).

usage: embed.py --symbol NAME [--gzip] [--depfile FILE] -o OUT.c PATH...

A PATH that is a folder stands for every file below it. The same input gives the same output.
"""
import argparse
import gzip
import hashlib
import os
import sys


def collect(paths):
    """Yields (name, path), sorted by name."""
    found = {}
    for path in paths:
        if not os.path.isdir(path):
            found[os.path.basename(path)] = path
            continue
        for folder, _, files in os.walk(path):
            for f in files:
                full = os.path.join(folder, f)
                found[os.path.relpath(full, path)] = full
    return sorted(found.items())


def c_string(data):
    """A C string literal a line; octal escapes cannot run into the character after them."""
    lines = []
    for i in range(0, len(data), 64):
        out = []
        for b in data[i:i + 64]:
            c = chr(b)
            if c == "\n":
                out.append("\\n")
            elif 32 <= b < 127 and c not in '"\\?':
                out.append(c)
            else:
                out.append("\\%03o" % b)
        lines.append('\t"%s"' % "".join(out))
    return "\n".join(lines) or '\t""'


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--symbol", required=True)
    p.add_argument("--gzip", action="store_true")
    p.add_argument("--depfile")
    p.add_argument("-o", "--output", required=True)
    p.add_argument("paths", nargs="+")
    args = p.parse_args()

    files = collect(args.paths)
    if not files:
        sys.exit("embed.py: nothing to embed in " + " ".join(args.paths))
    body, table = [], []
    for i, (name, path) in enumerate(files):
        with open(path, "rb") as f:
            data = f.read()
        body.append("static const char data_%d[] =\n%s;\n" % (i, c_string(data)))
        packed = gzip.compress(data, 9, mtime=0) if args.gzip else b""
        has_gzip = args.gzip and len(packed) < len(data)
        if has_gzip:
            body.append("static const char gzip_%d[] =\n%s;\n" % (i, c_string(packed)))
        table.append('\t{"%s", data_%d, %d, %s, %d, "%s"},\n' % (
            name.replace("\\", "\\\\").replace('"', '\\"'), i, len(data),
            "gzip_%d" % i if has_gzip else "NULL", len(packed) if has_gzip else 0,
            hashlib.sha256(data).hexdigest()[:32]))
    with open(args.output, "w") as out:
        out.write("/* Made by tools/embed.py. */\n#include \"base/embed.h\"\n\n")
        out.write("extern const struct embed_file %s[];\n\n%s\n" % (args.symbol, "\n".join(body)))
        out.write("const struct embed_file %s[] = {\n%s\t{0},\n};\n" % (args.symbol, "".join(table)))
    if args.depfile:
        with open(args.depfile, "w") as dep:
            dep.write("%s: %s\n" % (args.output, " ".join(p.replace(" ", "\\ ") for _, p in files)))


if __name__ == "__main__":
    main()
