"""Is what `glim mem --json` says of a program's lines what the program says itself?"""
from dataclasses import dataclass

RESIDENT_SLACK = 64 << 10
RESIDENT_SHARE = 0.01


@dataclass
class Line:
    occurrences: int = 0
    increment: int = 0
    own: int = 0
    peak: int = 0


def lines_of(process, file):
    """{number: Line} of a file of one process, all functions together but those within a line."""
    found = {}
    for function in process["functions"]:
        if function["path"] != file or function["function"].endswith(("<genexpr>", "<lambda>")):
            continue
        for each in function["lines"]:
            line = found.setdefault(each["line"], Line())
            line.occurrences += each["occurrences"]
            line.increment += each["increment"]
            line.own += each["own"]
            line.peak = max(line.peak, each["peak"])
    return found


def slack_of(mark, measure, want):
    if measure == "allocated":
        return mark.get("slack", 0)
    return max(RESIDENT_SLACK, RESIDENT_SHARE * abs(want), mark.get("slack", 0))


def differences(truth, run, measure):
    """What is wrong, a sentence each; none: all is right."""
    wrong = []
    places = {"first": run["processes"][:1], "other": run["processes"][1:]}
    seen = {place: [lines_of(p, truth["file"]) for p in each] for place, each in places.items()}
    for number, mark in sorted(truth["lines"].items(), key=lambda item: int(item[0])):
        if mark.get("only", measure) != measure:
            continue
        place = mark.get("where", "first")
        here = [lines[int(number)] for lines in seen[place] if int(number) in lines]
        elsewhere = [p for p in seen if p != place and any(int(number) in lines for lines in seen[p])]
        if elsewhere:
            wrong.append("line %s ran in the %s process, too" % (number, elsewhere[0]))
        if not here:
            wrong.append("line %s is not there" % number)
            continue
        line = Line(sum(each.occurrences for each in here), sum(each.increment for each in here),
                    sum(each.own for each in here), max(each.peak for each in here))
        if line.occurrences != mark["occurrences"]:
            wrong.append("line %s ran %d times, not %d" % (number, line.occurrences, mark["occurrences"]))
        for key in ("increment", "own", "peak"):
            # What comes and goes within a line is seen by who sees each allocation.
            if key not in mark or (key == "peak" and measure == "resident"):
                continue
            off = getattr(line, key) - mark[key]
            if abs(off) > slack_of(mark, measure, mark[key]):
                wrong.append("line %s: %s is %d, off by %d" % (number, key, getattr(line, key), off))
    return wrong
