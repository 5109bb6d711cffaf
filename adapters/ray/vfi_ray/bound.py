"""Becomes a command that is told to stop once its parent is gone: `python bound.py PARENT COMMAND...`, on Linux.

A killed parent can tell nobody, and the command would train on beside the one that goes on in its place. This is a
program of its own because code between fork and exec is not safe in a parent that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h

if __name__ == "__main__":
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it was gone before that
        sys.exit(128 + signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # Ray blocks it in all that it starts
    os.execvp(command[0], command)
