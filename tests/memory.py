"""What a test's own process needs of memory, measured by that process itself."""

PEAK_MEMORY = '''
def peak_memory():
    """Return the most memory that this process has held, in MiB.

    Not getrusage: its figure survives exec, so that it is never below the memory of the process that started this one.
    """
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
'''
"""To be put in front of a program that runs as ``python -c``."""
