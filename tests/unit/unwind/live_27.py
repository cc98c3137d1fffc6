"""Code that only Python 2 has, for test_python_live (live_tell.py)."""
import sys

import live_tell


class Old:
    def method(self):
        return lambda: self


class New(object):
    def generator(self, n):
        for i in range(n):
            while i:
                i -= 1
                yield i


live_tell.main([Old.method.__code__, New.generator.__code__, sys._getframe().f_code])
