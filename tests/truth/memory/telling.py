"""What a program knows of the memory of its own lines: marks at their ends.

	held[0] = bytearray(BLOCK)  #: 1; sized(BLOCK)

says: begun once, and afterwards the process has that much more. Behind it may stand, also after ";":
	own=BYTES      growth without what the line called
	peak=BYTES     the most that there was within the line, above its begin
	slack=BYTES    how much an exact measure may be off: what the interpreter keeps or has in store
	only=MEASURE   "resident" or "allocated"
	since=VERSION  of Python from which on it is so
	where=PROCESS  "first" (the default) or "other": not the process that was started
The expressions are of the program's own names; tell() evaluates them when all is over, in the interpreter that ran
them, and writes them as JSON. Python 2.7 and 3."""
import json
import os
import re
import sys

MARK = re.compile(r"#: (.*)$")


def sized(n):
    """Bytes that bytearray(n) has of the allocator."""
    return sys.getsizeof(bytearray(1)) - 1 + n


def warm(path, *functions):
    """Run functions of the program at path once, with small blocks and under another name: what runs for the first
    time brings pages of the interpreter along, which would be its lines'."""
    with open(path) as source:
        text = re.sub("(?m)^BLOCK = .*", "BLOCK = 1 << 10", source.read())
    names = {"__name__": "warm", "__file__": path}
    exec(compile(text, "<warm>", "exec"), names)
    for function in functions:
        names[function]()


def read_mark(text, names):
    parts = [part.strip() for part in text.split(";")]
    mark = {"occurrences": eval(parts[0], names), "increment": eval(parts[1], names)}
    for part in parts[2:]:
        key, _, value = part.partition("=")
        mark[key] = value if key in ("only", "where") else eval(value, names)
    return mark


def tell(path, names):
    """Into the file that TRUTH names, if any: the marks of the source at path."""
    if "TRUTH" not in os.environ:
        return
    lines = {}
    with open(path) as source:
        for number, text in enumerate(source, 1):
            found = MARK.search(text)
            if found:
                mark = read_mark(found.group(1), names)
                if sys.version_info >= mark.pop("since", (2,)):
                    lines[number] = mark
    with open(os.environ["TRUTH"], "w") as out:
        json.dump({"file": os.path.abspath(path), "lines": lines}, out)
