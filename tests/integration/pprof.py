"""Reads what tests want to know of a pprof profile: functions and labels of every sample."""

from dataclasses import dataclass


@dataclass
class Sample:
    functions: list  # leaf first
    starts: list  # first line of each of them, 0 where it is not known
    labels: dict
    values: list


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a message; numbers as int, everything else as bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            size = 8 if key & 7 == 1 else 4
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def numbers(value):
    """A repeated number, packed or not."""
    if isinstance(value, int):
        return [value]
    out, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        out.append(number)
    return out


def samples(data):
    top = list(fields(data))
    strings = [value.decode() for number, value in top if number == 6]
    functions, locations = {}, {}
    for number, value in top:
        if number == 5:
            f = dict(fields(value))
            functions[f[1]] = strings[f.get(2, 0)], f.get(5, 0)
    for number, value in top:
        if number == 4:
            parts = list(fields(value))
            ident = next(v for n, v in parts if n == 1)
            lines = [dict(fields(v)) for n, v in parts if n == 4]
            locations[ident] = [functions[line[1]] for line in lines]
    for number, value in top:
        if number != 2:
            continue
        sample = Sample([], [], {}, [])
        for n, v in fields(value):
            if n == 1:
                for location in numbers(v):
                    sample.functions += [name for name, _ in locations[location]]
                    sample.starts += [start for _, start in locations[location]]
            elif n == 2:
                sample.values += numbers(v)
            elif n == 3:
                label = dict(fields(v))
                sample.labels[strings[label[1]]] = strings[label.get(2, 0)]
        yield sample
