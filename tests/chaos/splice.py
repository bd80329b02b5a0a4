"""The program of exec sinks: standard input to a file. splice() takes bytes out of the pipe when they are written, so that
what a kill has taken along was not read. Half a line at the end is cut off first: it comes again as a whole."""
import os
import sys

fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
size = os.fstat(fd).st_size
tail = os.pread(fd, 1 << 20, max(0, size - (1 << 20)))
os.ftruncate(fd, size - (len(tail) - tail.rfind(b"\n") - 1))
os.lseek(fd, 0, os.SEEK_END)
while os.splice(0, fd, 1 << 16):
    pass
