"""What the inference child may not do: take all memory, reach a network, leave a core dump with a patient's picture.

Called first thing in the child, before numpy starts threads: a user namespace is only given to a process of one thread.
No package is imported here for that reason.
"""

from __future__ import annotations

import ctypes
import os
import resource

CLONE_NEWNET = 0x40000000  # <linux/sched.h>
CLONE_NEWUSER = 0x10000000
PR_SET_NO_NEW_PRIVS = 38  # <linux/prctl.h>
STANDARD_DESCRIPTORS = 3

NETWORK_NAMESPACE = "network namespace"  # an empty one: not even a loopback that is up
USER_NAMESPACE = "user and network namespace"  # the same, for a process without privileges
NO_DESCRIPTORS = "no new descriptors"  # no namespace permitted: it can open neither socket nor file once loaded
NOT_ISOLATED = "not isolated"


def confine(memory_bytes: int) -> str:
    """Limit this process for good.

    Args:
        memory_bytes: of private writable memory (RLIMIT_DATA: heap, arenas, stacks; not mapped files, not the slot).
            The address space is no measure: CUDA and allocators reserve far more than they use.

    Returns:
        How it is kept off the network: NETWORK_NAMESPACE, USER_NAMESPACE or NOT_ISOLATED.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.unshare(CLONE_NEWNET) == 0:
        return NETWORK_NAMESPACE
    return USER_NAMESPACE if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 else NOT_ISOLATED


def forbid_descriptors() -> str:
    """Make every later open or socket call fail; what is open stays usable.

    A descriptor gets the lowest free number, and none below three is free: with a limit of three there is none to give.

    Returns:
        NO_DESCRIPTORS.
    """
    for number in range(STANDARD_DESCRIPTORS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    resource.setrlimit(resource.RLIMIT_NOFILE, (STANDARD_DESCRIPTORS, STANDARD_DESCRIPTORS))
    return NO_DESCRIPTORS
