"""Arrays of numpy, whose memory is its C code's."""
import numpy

from telling import tell

N = 4 << 20
SLACK = 4096


def arrays():
    held = [None] * 3
    held[0] = numpy.ones(N // 8)  #: 1; N; slack=SLACK
    held[1] = numpy.ones(N // 4)  #: 1; 2 * N; slack=SLACK
    held[2] = held[0] + 1  #: 1; N; slack=SLACK
    held[0] = None  #: 1; -N; slack=SLACK
    total = (held[2] * 2).sum()  #: 1; 0; peak=N; slack=SLACK
    held[1] = held[1].astype("f4")  #: 1; -N; slack=SLACK
    for i in range(3):  #: 4; 0; slack=256
        held[i] = numpy.full(N // 8, i, "f8")  #: 3; N; slack=SLACK
    return total


(numpy.full(1, 1, "f8") * 2 + numpy.ones(1)).astype("f4").sum()  # the first use fills caches
arrays()
tell(__file__, globals())
