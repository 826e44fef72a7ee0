#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A PUT of which only the first half is ever supplied: stuck_put.py ADDR PROVIDER CONTROL TOTAL.

Prints "half" when the library has asked for more than half of the value, and waits there to be
killed or stopped.
"""
import ctypes as c
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import clib  # noqa: E402

SOURCE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_size_t, c.c_uint64, c.c_uint64)


def main():
    addr, provider, control, total = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    client = clib.Client(addr, provider, control, buffer_bytes=1 << 20)

    def source(_ctx, data, length, offset, _total):
        if offset > total // 2:
            print("half", flush=True)
            while True:
                time.sleep(3600)
        c.memset(data, 7, length)
        return 0

    rc = client.lib.weft_kv_put_stream(client.kv, b"half", c.c_size_t(4), c.c_uint64(total), SOURCE(source), None, None)
    clib.check(client.lib, rc)


main()
