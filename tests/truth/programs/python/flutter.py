"""Two branches of calls that take about a microsecond: a stack that mixes them was torn."""
import truth


def leaf_a():
    return 1


def leaf_b():
    return 2


def hot_a():
    return leaf_a() + leaf_a()


def hot_b():
    return leaf_b() + leaf_b()


def main():
    for _ in truth.counting(500):
        hot_a()
        hot_b()


def told():
    for stack in ("main", "main hot_a", "main hot_a leaf_a", "main hot_b", "main hot_b leaf_b"):
        truth.tell(stack="<module> ... " + stack, cpu_ns=1)
    truth.tell(shares=False)


told()
truth.run(main)
