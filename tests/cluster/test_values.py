# SPDX-License-Identifier: Apache-2.0
"""Values go in and come out unchanged, by every way and either control: through libweftkv, which
weft kv is made of, for what needs many calls, and through weft kv for what is its own."""
import os

import pytest

from clib import Client, WeftError
from harness import MIB, PROVIDERS, Kv, Server, content, scratch_file, wait_for
from protocol import stats

# The edges: inline limits of GET and PUT, pages, 64 KiB, those of the pieces of a transfer, and of
# the client's buffer of 1 MiB.
SIZES = [0, 1, 63, 64, 3999, 4000, 4001, 4095, 4096, 4097, 7999, 8000, 8001, 65535, 65536, 65537,
         MIB - 1, MIB, MIB + 1, 5 * MIB + 12345]


@pytest.fixture
def client(server, control, no_sanitizer):
    with Client(server.addr, server.provider, control) as opened:
        yield opened


@pytest.fixture
def name(key):
    return key.encode()


def missing(client, name):
    with pytest.raises(WeftError) as error:
        client.get(name)
    return error.value.name == "ENOTFOUND"


# --- through the library ---------------------------------------------------------------------------


def test_values_of_all_sizes_come_back(client, name):
    for size in SIZES:
        data = content(f"{name}{size}", size)
        client.put(name, data)
        assert client.get(name) == data, size
    client.delete(name)
    assert missing(client, name)


@pytest.mark.full
def test_value_of_64_mib_comes_back(client, name):
    data = content(name, 64 * MIB)
    client.put(name, data)
    assert client.get(name) == data
    client.delete(name)


def test_keys_are_any_bytes(client):
    for name in (b"k", b"\0", b"\0\0", b"\xff\xfe", b"line\nbreak", bytes(range(256)), b"x" * 255, b"y" * 256,
                 b"\x01" * 4095, b"\x80" * 4096):
        data = content(name, 100)
        client.put(name, data)
        assert client.get(name) == data
        client.delete(name)
        assert missing(client, name)


def test_neighbouring_keys_are_apart(client, name):
    names = [name, name + b"/", name + b"/a", name + b"/A", name + b" ", name + b"\0", name[:-1]]
    for item in names:
        client.put(item, item + b"!")
    for item in names:
        assert client.get(item) == item + b"!"


def test_overwriting_replaces_the_value(client, name):
    for size in (100000, 3, 70000, 0, 9000, 2 * MIB, 8000):
        data = content(size, size)
        client.put(name, data)
        assert client.get(name) == data


def test_thousands_of_small_values(client, name):
    for number in range(2000):
        client.put(name + b"/%d" % number, b"value %d" % number)
    for number in range(2000):
        assert client.get(name + b"/%d" % number) == b"value %d" % number


# --- through weft kv -------------------------------------------------------------------------------


def test_weft_kv_stores_fetches_and_removes(kv, key):
    kv.ok("put", key, "--file", "-", stdin=content(key, 100001))
    assert kv.ok("get", key) == content(key, 100001)
    kv.ok("delete", key)
    kv.fails("ENOTFOUND", "get", key)


# Each of the following runs once, over one of the ways.
WAYS = [("tcp", "fabric"), ("shm", "grpc"), ("auto", "fabric")]


@pytest.fixture(scope="module")
def one(request):
    """one(0..2): weft kv by one of WAYS, with a server of this module."""
    opened = {}

    def begin(index):
        provider, control = WAYS[index]
        if provider not in opened:
            opened[provider] = Server(provider, memory_mb=128)
            opened[provider].shared = True
        kv = Kv(opened[provider].addr, provider, control)
        kv.server = opened[provider]
        return kv

    yield begin
    for server in opened.values():
        server.stop()


@pytest.mark.alone
def test_weft_kv_takes_keys_of_any_bytes(one):
    kv = one(0)
    for name in (b"\xff\xfe", b"line\nbreak", b"-", b"\x80" * 4096):
        kv.ok("put", "--file", "-", "--", name, stdin=name + b"!")
        assert kv.ok("get", "--", name) == name + b"!"


@pytest.mark.alone
def test_keys_with_nul_come_from_hex_or_a_file(one, key, tmp_path):
    kv = one(1)
    name = b"\0" + key.encode() + b"\0\0"
    kv.ok("put", "--key-hex", name.hex(), "hexadecimal")
    file = tmp_path / "key"
    file.write_bytes(name)
    assert kv.ok("get", "--key-file", file) == b"hexadecimal"
    kv.ok("put", "--key-file", file, "from a file")
    assert kv.ok("get", "--key-hex", name.hex().upper()) == b"from a file"
    assert name + b"\0" in kv.ok("list", "--null")
    kv.ok("delete", "--key-file", file)
    kv.fails("ENOTFOUND", "get", "--key-hex", name.hex())


@pytest.mark.alone
def test_value_is_an_argument_a_file_or_standard_input(one, key, tmp_path):
    kv = one(2)
    kv.ok("put", key, "from the argument")
    assert kv.ok("get", key) == b"from the argument"
    file = tmp_path / "value"
    file.write_bytes(b"from the\0file\n")
    kv.ok("put", key, "--file", file)
    assert kv.ok("get", key) == b"from the\0file\n"
    kv.ok("put", key, stdin=b"from standard\0input\n")
    assert kv.ok("get", key) == b"from standard\0input\n"
    with scratch_file(b"redirected") as redirected:
        kv.ok("put", key, stdin=redirected)
    assert kv.ok("get", key) == b"redirected"


@pytest.mark.alone
def test_output_file_is_written_whole_or_not_at_all(one, key, tmp_path):
    kv = one(0)
    target = tmp_path / "value"
    kv.ok("put", key, "short")
    target.write_bytes(b"something longer that was there before")
    kv.ok("get", key, "--output", target)
    assert target.read_bytes() == b"short"
    kv.fails("ENOTFOUND", "get", key + "/missing", "--output", target)
    assert target.read_bytes() == b"short"
    kv.fails("ENOTFOUND", "get", key + "/missing", "--output", tmp_path / "new")
    assert os.listdir(tmp_path) == ["value"]


@pytest.mark.alone
def test_stat_tells_length_and_grows_its_version(one, key, connect):
    kv = one(1)
    kv.ok("put", key, "12345")
    stub = connect(kv.server)
    first = stub.Stat(key=key.encode())
    assert (first.error_code, first.value_length, first.ttl_left_ms) == (0, 5, 0)
    assert b"5" in kv.ok("stat", key)
    kv.ok("put", key, "123456")
    second = stub.Stat(key=key.encode())
    assert second.value_length == 6 and second.version > first.version
    assert second.checksum != first.checksum


@pytest.mark.alone
def test_list_gives_each_key_with_the_prefix_once(one, key, connect):
    kv = one(2)
    stub = connect(kv.server)
    names = {f"{key}/{number}" for number in range(3000)}
    for name in names:
        stub.Put(key=name.encode(), inline_value=b"x")
    stub.Put(key=(key + "-other").encode(), inline_value=b"x")
    for control in ("fabric", "grpc"):
        lines = kv.ok("--control", control, "list", key + "/").decode().splitlines()
        assert len(lines) == 3000 and set(lines) == names


def test_ttl_ends_a_value(one, key, connect):
    kv = one(0)
    stub = connect(kv.server)
    kv.ok("put", key, "short lived", "--ttl", "1")
    kv.ok("put", key + "/long", "long lived", "--ttl", "1h")
    left = stub.Stat(key=(key + "/long").encode()).ttl_left_ms
    assert 3500_000 < left <= 3600_000
    wait_for(lambda: not stub.Get(key=key.encode()).success, 15, "the key expires")
    kv.fails("ENOTFOUND", "get", key)
    assert kv.ok("get", key + "/long") == b"long lived"


def test_expired_memory_is_returned_without_being_asked_for(start, connect):
    server = start("shm", memory_mb=16)
    stub = connect(server)
    before = stats(stub)["pool_used"]
    stub.Put(key=b"short", inline_value=content(1, MIB), ttl_ms=700)
    assert stats(stub)["keys"] == 1 and stats(stub)["pool_used"] > MIB
    wait_for(lambda: stats(stub)["keys"] == 0 and stats(stub)["pool_used"] == before, 20,
             lambda: f"the sweep: {stats(stub)}")
    assert stats(stub)["expired"] == 1


def test_ping_and_stats_answer(one, key):
    kv = one(2)
    assert b"5 round trips" in kv.ok("ping")
    kv.ok("put", key, "x")
    text = kv.ok("stats").decode()
    for name in ("keys", "pool_size", "pool_used", "sessions", "puts"):
        assert name in text


@pytest.mark.parametrize("asked, shown", [(name, b"over " + name.encode()) for name in PROVIDERS] + [
    ("auto", b"over shm")])
@pytest.mark.alone
def test_client_tells_the_way_in_use(start, asked, shown):
    assert shown in Kv(start(asked).addr, asked).ok("ping")


@pytest.mark.alone
def test_server_takes_an_address_with_http_in_front(one):
    kv = one(0)
    Kv("http://" + kv.server.addr, "tcp").ok("ping")
    Kv("http://" + kv.server.addr + "/", "tcp").ok("ping")


@pytest.mark.alone
def test_server_listens_at_ipv6(start):
    server = start("tcp", host="[::1]")
    kv = Kv(f"[::1]:{server.port}", "tcp")
    kv.ok("put", "k", "--file", "-", stdin=content(6, 100000))
    assert kv.ok("get", "k") == content(6, 100000)


@pytest.mark.full
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("buffer_mb", [pytest.param("64", marks=pytest.mark.nightly), "7"])
def test_value_of_1_gib_comes_back(start, connect, provider, buffer_mb, tmp_path):
    server = start(provider, memory_mb=1100)
    source, target = tmp_path / "source", tmp_path / "target"
    block = content(provider, 64 * MIB)
    with source.open("wb") as file:
        for number in range(16):
            file.write(number.to_bytes(8, "little") + block[8:])
    kv = Kv(server.addr, provider, "fabric", "--buffer-mb", buffer_mb)
    kv.ok("put", "large", "--file", source, timeout=100)
    kv.ok("get", "large", "--output", target, timeout=100)
    assert os.path.getsize(target) == 1 << 30
    with source.open("rb") as left, target.open("rb") as right:
        for number in range(64):
            assert left.read(16 * MIB) == right.read(16 * MIB), f"differs in MiB {number * 16}..{number * 16 + 15}"
    kv.ok("delete", "large")
    wait_for(lambda: stats(connect(server))["pool_used"] == 0, 20, "the pool is empty again")
