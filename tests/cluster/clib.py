# SPDX-License-Identifier: Apache-2.0
"""libweft and libweftkv by ctypes, as far as the tests need them."""
import ctypes as c

from harness import BUILD

FOREVER = (1 << 64) - 1
SECOND = 10**9
KEY_MAX = 4096


class WeftOpts(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("provider", c.c_char_p),
        ("devices", c.c_char_p),
        ("bind_addr", c.c_char_p),
        ("rails", c.c_uint32),
        ("progress", c.c_uint32),
        ("queue_depth", c.c_uint32),
        ("peer_window", c.c_uint32),
        ("peer_limit", c.c_uint32),
        ("submit_limit", c.c_uint32),
        ("receive_buffers", c.c_uint32),
        ("spin_us", c.c_uint32),
        ("connect_timeout_ns", c.c_uint64),
        ("on_message", c.c_void_p),
        ("on_peer_gone", c.c_void_p),
        ("log", c.c_void_p),
        ("ctx", c.c_void_p),
        ("log_level", c.c_int),
    ]


class KvOpts(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("server_addr", c.c_char_p),
        ("provider", c.c_char_p),
        ("devices", c.c_char_p),
        ("bind_addr", c.c_char_p),
        ("buffer_bytes", c.c_uint64),
        ("connect_timeout_ns", c.c_uint64),
        ("timeout_ns", c.c_uint64),
        ("local_bytes", c.c_uint64),
        ("client_id", c.c_uint32),
        ("control", c.c_uint32),
        ("credits", c.c_uint32),
        ("log_level", c.c_int),
        ("log", c.c_void_p),
        ("ctx", c.c_void_p),
    ]


class PutOpts(c.Structure):
    _fields_ = [("size", c.c_size_t), ("ttl_ns", c.c_uint64), ("timeout_ns", c.c_uint64)]


class WeftError(Exception):
    def __init__(self, code, name, detail):
        super().__init__(f"{name}: {detail}")
        self.code, self.name = code, name


def find(name):
    """Path of a shared library of the build; None where there is none."""
    return next((str(path) for path in sorted(BUILD.glob(f"*/*/{name}.so"))), None)


def load(name):
    path = find(name)
    if not path:
        raise FileNotFoundError(f"{name}.so is not in {BUILD}")
    lib = c.CDLL(path)
    for function in ("weft_error_name", "weft_error_detail"):
        getattr(lib, function).restype = c.c_char_p
    return lib


def check(lib, rc):
    if rc < 0:
        detail = lib.weft_error_detail().decode(errors="replace")
        raise WeftError(-rc, lib.weft_error_name(rc).decode().removeprefix("WEFT_"), detail)
    return rc


class Engine:
    """An engine of libweft with one registered buffer that peers may read and write."""

    def __init__(self, provider="tcp", size=1 << 20):
        self.lib = load("libweft")
        opts = WeftOpts(size=c.sizeof(WeftOpts), provider=provider.encode(), bind_addr=b"127.0.0.1")
        self.weft = c.c_void_p()
        check(self.lib, self.lib.weft_open(c.byref(self.weft), c.byref(opts)))
        self.buffer = c.create_string_buffer(size)
        self.base = c.addressof(self.buffer)
        region = c.c_void_p()
        check(self.lib, self.lib.weft_register(self.weft, self.buffer, c.c_size_t(size), 3, c.byref(region)))
        self.region = region

    def descriptor(self):
        room = c.create_string_buffer(8192)
        length = c.c_size_t(len(room))
        check(self.lib, self.lib.weft_export(self.region, room, c.byref(length)))
        return room.raw[: length.value]

    def connect(self, descriptor, timeout_s=10):
        peer = c.c_void_p()
        check(self.lib, self.lib.weft_connect(self.weft, descriptor, c.c_size_t(len(descriptor)),
                                              c.c_uint64(timeout_s * SECOND), c.byref(peer)))
        return peer

    def notify(self, peer, data):
        check(self.lib, self.lib.weft_notify(peer, data, c.c_size_t(len(data))))

    def progress(self, timeout_s=0.0):
        return self.lib.weft_progress(self.weft, c.c_uint64(int(timeout_s * SECOND)))

    def receive(self, timeout_s):
        """A message, or None."""
        room = c.create_string_buffer(8192)
        length = c.c_size_t(len(room))
        rc = self.lib.weft_receive(self.weft, room, c.byref(length), None, c.c_uint64(int(timeout_s * SECOND)))
        return room.raw[: length.value] if rc == 0 else None

    def close(self):
        if self.weft:
            self.lib.weft_close(self.weft)
            self.weft = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client:
    """A client of libweftkv. Not for several threads at a time."""

    def __init__(self, addr, provider="auto", control="fabric", buffer_bytes=1 << 20, timeout_s=10,
                 connect_s=10):
        self.lib = load("libweftkv")
        opts = KvOpts(
            size=c.sizeof(KvOpts),
            server_addr=addr.encode(),
            provider=provider.encode(),
            buffer_bytes=buffer_bytes,
            connect_timeout_ns=int(connect_s * SECOND),
            timeout_ns=int(timeout_s * SECOND),
            control={"fabric": 0, "grpc": 1}[control],
        )
        self.kv = c.c_void_p()
        check(self.lib, self.lib.weft_kv_open(c.byref(self.kv), c.byref(opts)))
        self.room = c.create_string_buffer(1 << 20)

    def put(self, key, value, ttl_s=0.0):
        opts = PutOpts(size=c.sizeof(PutOpts), ttl_ns=int(ttl_s * SECOND))
        check(self.lib, self.lib.weft_kv_put(self.kv, key, c.c_size_t(len(key)), value,
                                             c.c_size_t(len(value)), c.byref(opts)))

    def get(self, key):
        length = c.c_size_t()
        while True:
            rc = self.lib.weft_kv_get(self.kv, key, c.c_size_t(len(key)), self.room,
                                      c.c_size_t(len(self.room)), c.byref(length))
            if rc < 0 and length.value > len(self.room):
                self.room = c.create_string_buffer(length.value)
                continue
            check(self.lib, rc)
            return self.room.raw[: length.value] if length.value < 4096 else bytes(
                memoryview(self.room)[: length.value])

    def delete(self, key):
        check(self.lib, self.lib.weft_kv_delete(self.kv, key, c.c_size_t(len(key))))

    def ping(self):
        check(self.lib, self.lib.weft_kv_ping(self.kv))

    def close(self):
        if self.kv:
            self.lib.weft_kv_close(self.kv)
            self.kv = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
