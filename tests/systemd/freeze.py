"""freeze.py PID NAME: stops the threads of a process that are called NAME, and nothing else, until the process
ends (ptrace(2))."""

import ctypes
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

pid, name = sys.argv[1:3]
threads = []
for thread in os.listdir(f"/proc/{pid}/task"):
    with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii") as comm:
        if comm.read().strip() == name:
            threads.append(int(thread))
if not threads:
    sys.exit(f"process {pid} has no thread '{name}'")
for thread in threads:
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, thread, None, None) != 0:
            sys.exit(f"thread {thread}: {os.strerror(ctypes.get_errno())}")
    os.waitpid(thread, WALL)
print(f"{len(threads)} threads stand still", flush=True)
# Who traces a thread has to take note of its end, or the process never has one.
for thread in threads:
    while os.WIFSTOPPED(os.waitpid(thread, WALL)[1]):
        pass
