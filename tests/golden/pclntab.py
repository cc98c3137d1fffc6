"""Writes small programs with Go's function table, as seeds for fuzzing: python3 pclntab.py FOLDER

No code runs in them. The layouts are those of runtime/symtab.go and runtime/runtime2.go.
"""
import struct
import sys

BASE = 0x400000
HEADERS = 64 + 2 * 56
NAMES = b"runtime.systemstack\0main.main\0main.inlined\0runtime.goexit\0"
FILES = b"/src/main.go\0/src/asm.s\0"


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def run(pairs):
    """A run of (value, bytes of code)."""
    out, last = b"", -1
    for value, size in pairs:
        delta = value - last
        out += varint((delta << 1) ^ (delta >> 63)) + varint(size)
        last = value
    return out + b"\0"


def module(new, text, code, data):
    """Header, table and description of the module; data is their address."""
    head = 0x48
    names = NAMES
    units = struct.pack("<3I", 0, FILES.index(b"/src/asm"), 0xFFFFFFFF)
    values = b"\0" + run([(0, 1), (8, 60), (0, 3)])
    stack = 1
    file_run = len(values)
    values += run([(0, 64)])
    line_run = len(values)
    values += run([(10, 20), (12, 44)])
    inline_run = len(values)
    values += run([(-1, 16), (0, 16), (-1, 32)])
    functions = [b"runtime.systemstack", b"main.main", b"runtime.goexit"]
    records, offsets = b"", []
    table = 8 * len(functions) + 4
    for i, name in enumerate(functions):
        table += -table % 4
        offsets.append(table + len(records))
        start_line = struct.pack("<i", 9) if new else b""
        flags = 1 if name.endswith(b"goexit") else 6 if i == 0 else 0
        records += struct.pack("<IiiIIIIII", 64 * i, names.index(name), 0, 0, stack, file_run,
                               line_run, 3, 0) + start_line + bytes([0, flags, 0, 4])
        records += struct.pack("<3I", 0, 0, inline_run) + struct.pack("<4I", *[0xFFFFFFFF] * 3, 0)
    entries = b"".join(struct.pack("<II", 64 * i, o) for i, o in enumerate(offsets))
    entries += struct.pack("<I", 64 * len(functions))
    parts = []
    blobs = [names, units, FILES, values, entries + b"\0" * (-len(entries) % 4) + records]
    body = b""
    for blob in blobs:
        pad = -(head + len(body)) % 8
        body += b"\0" * pad
        parts.append(head + len(body))
        body += blob
    inlined = struct.pack("<B3xiii", 0, names.index(b"main.inlined"), 4, 33) if new else \
        struct.pack("<hBxiiii", -1, 0, 0, 44, names.index(b"main.inlined"), 4)
    body += b"\0" * (-len(body) % 8)
    gofunc = data + head + len(body)
    body += inlined + b"\0" * (-len(inlined) % 8)
    header = struct.pack("<I4B8Q", 0xFFFFFFF1 if new else 0xFFFFFFF0, 0, 0, 1, 8, len(functions), 2,
                         text, *parts)
    words = [0] * 48
    words[0], words[1], words[16], words[17] = data, data + parts[0], data + parts[4], 4
    words[22], words[23] = text, text + len(code)
    words[40 if new else 38] = gofunc
    return header + body + struct.pack("<48Q", *words)


def program(new):
    # The end of runtime.systemstack as the runtime has it: g, g.m, m.g0, m.curg, and the switch.
    switch = bytes.fromhex("554889e5 64488b0425f8ffffff 488b5830 483b83b8000000 488b6238 ffd7 5dc3")
    code = switch.ljust(64, b"\xcc") + b"\xcc" * 128
    text = BASE + HEADERS
    data = BASE + 0x1000 + HEADERS + len(code)
    data += -data % 8
    rest = module(new, text, code, data)
    offset = data - BASE - 0x1000
    file = b"\x7fELF\2\1\1".ljust(16, b"\0")
    file += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, text, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    file += struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, HEADERS + len(code),
                        HEADERS + len(code), 4096)
    file += struct.pack("<IIQQQQQQ", 1, 6, offset, data, data, len(rest), len(rest), 8)
    return (file + code).ljust(offset, b"\0") + rest


if __name__ == "__main__":
    for name, new in (("go118", False), ("go120", True)):
        with open(f"{sys.argv[1]}/{name}", "wb") as f:
            f.write(program(new))
