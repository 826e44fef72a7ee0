# SPDX-License-Identifier: Apache-2.0
"""Python's grpcio as an independent client of kv_cache.proto: the original methods, the new ones, and
requests that no client of ours would send."""
import random

import grpc
import pytest

import clib
from harness import CODE, MIB, content, wait_for
from protocol import Stub, channel, message, snake, stats


@pytest.fixture
def stub(server, connect):
    return connect(server)


@pytest.fixture
def name(key):
    return key.encode()


# --- the protocol of the original ------------------------------------------------------------------


def test_original_client_registers_puts_gets_deletes_and_beats(stub, name):
    """Only fields that kv-rdma-poc has."""
    hello = stub.RegisterClient(client_id=4711, domain_addresses=[b"address"], receive_buffer_size=64 * MIB)
    assert hello.success and not hello.error_message
    put = stub.Put(key=name, inline_value=b"value", ttl_seconds=100)
    assert put.success and not put.error_message
    got = stub.Get(key=name, request_id=99)
    assert got.success and got.value_length == 5 and got.request_id == 99
    assert got.inline_value == b"value"
    gone = stub.Delete(key=name)
    assert gone.success and gone.key_existed
    again = stub.Delete(key=name)
    assert again.success and not again.key_existed
    missing = stub.Get(key=name, request_id=100)
    assert not missing.success and missing.error_message and missing.request_id == 100
    assert missing.error_code == CODE["ENOTFOUND"]
    assert stub.Heartbeat(client_id=4711).alive
    assert not stub.Heartbeat(client_id=4712).alive


def test_heartbeat_knows_sessions_and_no_others(stub):
    hello = stub.RegisterClient(protocol_version=1)
    assert hello.session_id and hello.client_id
    assert stub.Heartbeat(session_id=hello.session_id).alive
    assert stub.Heartbeat(client_id=hello.client_id).alive
    assert not stub.Heartbeat(session_id=hello.session_id ^ 1).alive
    assert stub.Unregister(session_id=hello.session_id).error_code == 0
    assert not stub.Heartbeat(session_id=hello.session_id).alive
    assert stub.Unregister(session_id=hello.session_id).error_code == CODE["ESESSION"]


def test_server_forgets_a_silent_client(start, connect):
    stub = connect(start("tcp", memory_mb=8, extra=["--session-timeout", "500ms"]))
    hello = stub.RegisterClient(client_id=7)
    assert hello.session_timeout_ms == 500 and 0 < hello.heartbeat_interval_ms < 500
    assert stats(stub)["sessions"] == 1
    wait_for(lambda: stats(stub)["sessions"] == 0, 15, "the session ends")
    assert stats(stub)["sessions_forgotten"] == 1
    assert not stub.Heartbeat(client_id=7).alive


def test_ttl_in_seconds_expires(stub, name):
    stub.Put(key=name, inline_value=b"x", ttl_seconds=1)
    assert stub.Get(key=name).ttl_left_ms <= 1000
    wait_for(lambda: not stub.Get(key=name).success, 15, "the value expires")


def test_health_is_serving_and_knows_its_services(connect, server):
    health = connect(server, "grpc.health.v1.Health")
    for service in ("", "kv_cache.KvCacheService", "grpc.health.v1.Health"):
        assert health.Check(service=service).status == 1, service
    with pytest.raises(grpc.RpcError) as error:
        health.Check(service="nonsense")
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


# --- what weft adds --------------------------------------------------------------------------------


def test_inline_values_up_to_the_documented_limits(stub, name):
    data = content(name, 4 * MIB)
    assert stub.Put(key=name, inline_value=data).success
    assert stub.Get(key=name).inline_value == data
    data = content(name, 64 * MIB)
    assert stub.Put(key=name, inline_value=data, timeout=60).success
    got = stub.Get(key=name)
    assert got.error_code == CODE["EBUFFER"] and got.total_length == 64 * MIB and not got.inline_value
    part = stub.Get(key=name, want_inline=True, range_offset=MIB, range_length=1000)
    assert part.success and part.inline_value == data[MIB:MIB + 1000]
    stub.Delete(key=name)


def test_ranges_are_parts_of_the_value(stub, name):
    data = content(name, 100000)
    stub.Put(key=name, inline_value=data)
    for offset, length in ((0, 1), (1, 0), (99999, 1), (99999, 100), (50000, 20000), (100000, 1), (1 << 63, 5),
                           ((1 << 64) - 1, (1 << 64) - 1), (0, (1 << 64) - 1)):
        got = stub.Get(key=name, range_offset=offset, range_length=length, want_inline=True)
        wanted = data[offset:offset + length] if length else data[offset:]
        assert got.success and got.inline_value == wanted, (offset, length)
        assert got.total_length == 100000


def test_checksum_is_verified(stub, name):
    stub.Put(key=name, inline_value=b"the value")
    checksum = stub.Stat(key=name).checksum
    assert stub.Put(key=name, inline_value=b"the value", checksum=checksum, has_checksum=True).success
    bad = stub.Put(key=name, inline_value=b"the valuf", checksum=checksum, has_checksum=True)
    assert not bad.success and bad.error_code == CODE["ECHECKSUM"]
    assert stub.Get(key=name).inline_value == b"the value"


def test_put_in_inline_pieces_is_invisible_until_commit(stub, name):
    session = stub.RegisterClient(protocol_version=1).session_id
    data = content(name, 300000)
    begun = stub.BeginPut(key=name, value_length=len(data), session_id=session, slot=1, generation=1)
    assert begun.error_code == 0, begun.error_message
    pieces = [(at, data[at:at + 70000]) for at in range(0, len(data), 70000)]
    random.Random(1).shuffle(pieces)
    for number, (at, piece) in enumerate(pieces):
        assert stub.Get(key=name).error_code == CODE["ENOTFOUND"]
        done = stub.PutChunk(session_id=session, slot=1, generation=number + 2, transfer=begun.transfer,
                             offset=at, inline_value=piece, length=len(piece))
        assert done.error_code == 0, done.error_message
    done = stub.CommitPut(session_id=session, transfer=begun.transfer)
    assert done.error_code == 0, done.error_message
    assert stub.Get(key=name).inline_value == data
    stub.Unregister(session_id=session)


def test_half_a_put_leaves_nothing(start, connect):
    stub = connect(start("tcp", memory_mb=16))
    before = stats(stub)
    session = stub.RegisterClient(protocol_version=1).session_id
    ends = {
        "released": lambda transfer: stub.Release(session_id=session, transfer=transfer),
        "early commit": lambda transfer: stub.CommitPut(session_id=session, transfer=transfer),
        "unregistered": lambda transfer: stub.Unregister(session_id=session),
    }
    for why, end in ends.items():
        begun = stub.BeginPut(key=b"half", value_length=MIB, session_id=session)
        assert begun.error_code == 0, (why, begun.error_message)
        stub.PutChunk(session_id=session, transfer=begun.transfer, offset=0, inline_value=b"x" * 1000, length=1000)
        assert stats(stub)["uploads"] == 1
        end(begun.transfer)
        if why == "early commit":
            stub.Release(session_id=session, transfer=begun.transfer)
        wait_for(lambda: stats(stub)["uploads"] == 0, 10, why)
        after = stats(stub)
        assert (after["keys"], after["pool_used"]) == (before["keys"], before["pool_used"]), why
        assert stub.Get(key=b"half").error_code == CODE["ENOTFOUND"]


def test_list_pages_through_all_keys(stub, name):
    keys = {name + b"/%d" % number for number in range(100)}
    for item in keys:
        stub.Put(key=item, inline_value=b"v")
    seen, cursor = [], 0
    while True:
        answer = stub.List(prefix=name + b"/", cursor=cursor, limit=7)
        assert answer.error_code == 0 and len(answer.entries) <= 7
        seen += [entry.key for entry in answer.entries]
        cursor = answer.next_cursor
        if not cursor:
            break
    assert len(seen) == 100 and set(seen) == keys


def test_batch_answers_each_item(stub, name):
    request = message("BatchRequest")()
    request.items.add().put.CopyFrom(message("PutRequest")(key=name, inline_value=b"one"))
    request.items.add().get.CopyFrom(message("GetRequest")(key=name + b"/missing", request_id=5))
    request.items.add().stat.CopyFrom(message("StatRequest")(key=name + b"/missing"))
    request.items.add().delete.CopyFrom(message("DeleteRequest")(key=name + b"/missing"))
    answer = stub.Batch(request)
    assert answer.error_code == 0 and len(answer.results) == 4
    assert answer.results[0].put.success
    assert answer.results[1].get.error_code == CODE["ENOTFOUND"] and answer.results[1].get.request_id == 5
    assert answer.results[2].stat.error_code == CODE["ENOTFOUND"]
    assert answer.results[3].delete.success and not answer.results[3].delete.key_existed
    assert stub.Get(key=name).inline_value == b"one"


def test_batch_above_its_limit_is_refused(stub, name):
    request = message("BatchRequest")()
    for _ in range(257):
        request.items.add().get.CopyFrom(message("GetRequest")(key=name))
    try:
        assert stub.Batch(request).error_code != 0
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


# --- bad requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [b"", b"x" * 4097, b"x" * MIB], ids=["empty", "4097", "1MiB"])
def test_impossible_keys_are_refused(stub, bad):
    for answer in (stub.Put(key=bad, inline_value=b"x"), stub.Get(key=bad), stub.Stat(key=bad)):
        assert answer.error_code == CODE["EKEYSIZE"], answer


def test_unknown_version_is_refused_with_both_versions(stub):
    hello = stub.RegisterClient(protocol_version=999)
    # Either the server speaks what both know, or it refuses and says why.
    if hello.success:
        assert 0 < hello.protocol_version < 999
    else:
        assert hello.error_code == CODE["EVERSION"] and "999" in hello.error_message


def test_wrong_sessions_get_an_error(stub, name):
    stub.Put(key=name, inline_value=content(name, 100000))
    session = 0x1234567812345678
    for answer in (
        stub.Get(key=name, session_id=session, buffer_offset=0, buffer_capacity=MIB),
        stub.Put(key=name, session_id=session, value_length=100),
        stub.BeginPut(key=name, value_length=10, session_id=session),
        stub.PutChunk(session_id=session, transfer=1, inline_value=b"x", length=1),
        stub.CommitPut(session_id=session, transfer=1),
        stub.Release(session_id=session, transfer=1),
        stub.Cancel(session_id=session, slot=1, generation=1),
        stub.Attach(session_id=session, region=1, weft_descriptor=b"x"),
        stub.Detach(session_id=session, region=1),
        stub.Unregister(session_id=session),
    ):
        assert answer.error_code == CODE["ESESSION"], answer


def test_transfers_belong_to_their_session(stub, name):
    mine = stub.RegisterClient(protocol_version=1).session_id
    other = stub.RegisterClient(protocol_version=1).session_id
    begun = stub.BeginPut(key=name, value_length=3, session_id=mine)
    assert stub.PutChunk(session_id=other, transfer=begun.transfer, inline_value=b"bad", length=3).error_code
    assert stub.CommitPut(session_id=other, transfer=begun.transfer).error_code
    assert stub.Release(session_id=other, transfer=begun.transfer).error_code
    assert stub.PutChunk(session_id=mine, transfer=begun.transfer, inline_value=b"own", length=3).error_code == 0
    assert stub.CommitPut(session_id=mine, transfer=begun.transfer).error_code == 0
    assert stub.Get(key=name).inline_value == b"own"
    for session in (mine, other):
        stub.Unregister(session_id=session)


def test_chunks_outside_the_value_are_refused(stub, name):
    session = stub.RegisterClient(protocol_version=1).session_id
    begun = stub.BeginPut(key=name, value_length=1000, session_id=session)
    for offset, size in ((1000, 1), (999, 2), (0, 1001), ((1 << 64) - 1, 2), (1 << 63, 1)):
        answer = stub.PutChunk(session_id=session, transfer=begun.transfer, offset=offset,
                               inline_value=b"x" * size, length=size)
        assert answer.error_code, (offset, size)
    assert stub.CommitPut(session_id=session, transfer=begun.transfer).error_code
    assert stub.Get(key=name).error_code == CODE["ENOTFOUND"]
    stub.Unregister(session_id=session)


def test_impossible_lengths_are_refused_and_take_no_memory(stub, name):
    session = stub.RegisterClient(protocol_version=1).session_id
    before = stats(stub)["pool_used"]
    for length in ((256 << 20) + 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1):
        answer = stub.BeginPut(key=name, value_length=length, session_id=session)
        assert answer.error_code in (CODE["ETOOLARGE"], CODE["EPOOLFULL"]), length
    assert stats(stub)["pool_used"] == before
    stub.Unregister(session_id=session)


def test_damaged_descriptors_are_refused(no_sanitizer, server, stub):
    provider = "tcp" if server.provider == "auto" else server.provider
    with clib.Engine(provider) as engine:
        good = engine.descriptor()
    chance = random.Random(1)
    bad = [b"x", b"\0" * 8192, b"\xff" * 100, chance.randbytes(8192), b"y" * 8193, good[:-1], good + b"\0", good[:16]]
    for _ in range(100):
        flipped = bytearray(good)
        flipped[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        bad.append(bytes(flipped))
    for descriptor in bad:
        answer = stub.RegisterClient(protocol_version=1, weft_descriptor=descriptor, receive_buffer_size=MIB)
        assert not answer.success and answer.error_code, descriptor[:40]
    session = stub.RegisterClient(protocol_version=1).session_id
    for descriptor in bad[:20]:
        assert stub.Attach(session_id=session, region=1, weft_descriptor=descriptor).error_code
    stub.Unregister(session_id=session)


class Rdma:
    """A client whose buffer the server may touch."""

    def __init__(self, stub, provider, size=1 << 20, **hello):
        self.engine = clib.Engine("tcp" if provider == "auto" else provider, size)
        self.hello = stub.RegisterClient(protocol_version=1, weft_descriptor=self.engine.descriptor(),
                                         receive_buffer_size=size, **hello)
        assert self.hello.success, self.hello.error_message
        self.session = self.hello.session_id
        self.stub = stub

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stub.Unregister(session_id=self.session)
        self.engine.close()


def test_server_moves_values_into_and_out_of_a_registered_buffer(no_sanitizer, server, stub, name):
    with Rdma(stub, server.provider) as client:
        data = content(name, 200000)
        client.engine.buffer[5:5 + len(data)] = data
        put = stub.Put(key=name, session_id=client.session, buffer_offset=5, value_length=len(data))
        assert put.success, put.error_message
        client.engine.buffer[:] = b"\0" * len(client.engine.buffer)
        got = stub.Get(key=name, session_id=client.session, buffer_offset=77, buffer_capacity=300000)
        assert got.success and not got.inlined and got.value_length == len(data), got
        assert client.engine.buffer[77:77 + len(data)] == data
        assert client.engine.buffer[:77] == b"\0" * 77
        assert client.engine.buffer[77 + len(data):] == b"\0" * (len(client.engine.buffer) - 77 - len(data))


def test_original_locations_work_within_the_registered_buffer(no_sanitizer, server, stub, name):
    """response_location and rdma_location as kv-rdma-poc sends them: base address and offset."""
    location = message("ValueLocation")
    base = 0x7f0000000000
    with Rdma(stub, server.provider, client_id=0, buffer_base=base) as client:
        data = content(name, 150000)
        client.engine.buffer[1000:1000 + len(data)] = data
        place = location(offset=1000, length=len(data))
        place.mr_descriptor.ptr = base
        put = stub.Put(key=name, session_id=client.session, rdma_location=place)
        assert put.success, put.error_message
        place.offset, place.length = 2000, 500000
        got = stub.Get(key=name, session_id=client.session, response_location=place)
        assert got.success and got.value_length == len(data), got.error_message
        assert client.engine.buffer[2000:2000 + len(data)] == data
        for offset, pointer in ((0, base - 1), (MIB, base), ((1 << 64) - 1000, base), (0, 0)):
            place.offset, place.mr_descriptor.ptr = offset, pointer
            assert not stub.Get(key=name, session_id=client.session, response_location=place).success
            assert not stub.Put(key=name, session_id=client.session, rdma_location=place).success


def test_locations_outside_the_registered_buffer_are_refused(no_sanitizer, server, stub, name):
    size = 1 << 20
    data = content(name, 100000)
    stub.Put(key=name, inline_value=data)
    with Rdma(stub, server.provider, size) as client:
        for offset, room in ((size, 100000), (size - 99999, 100000), ((1 << 64) - 1, 100000), (1 << 63, 100000),
                             ((1 << 64) - 100000, 100000), (0, (1 << 64) - 1), (100, (1 << 64) - 100)):
            got = stub.Get(key=name, session_id=client.session, buffer_offset=offset, buffer_capacity=room)
            inside = offset + len(data) <= size
            assert got.success == inside, (offset, room, got.error_message)
            put = stub.Put(key=name + b"/new", session_id=client.session, buffer_offset=offset, value_length=room)
            assert not put.success, (offset, room)
        for region in (1, 63, 64, (1 << 32) - 1):
            got = stub.Get(key=name, session_id=client.session, region=region, buffer_capacity=MIB)
            assert not got.success, region
        got = stub.Get(key=name, session_id=client.session, buffer_offset=0, buffer_capacity=99999)
        assert got.error_code == CODE["EBUFFER"] and got.total_length == 100000
        got = stub.Get(key=name, session_id=client.session, buffer_offset=0, buffer_capacity=100000)
        assert got.success and client.engine.buffer[:100000] == data
    assert stub.Stat(key=name + b"/new").error_code == CODE["ENOTFOUND"]
    assert stub.Get(key=name).inline_value == data


def test_slots_that_were_not_granted_are_refused(no_sanitizer, server, stub, name):
    stub.Put(key=name, inline_value=content(name, 100000))
    with Rdma(stub, server.provider, credits_wanted=4) as client:
        assert client.hello.credits == 4
        for slot in (5, 64, 1 << 31, (1 << 32) - 1):
            got = stub.Get(key=name, session_id=client.session, buffer_capacity=MIB, slot=slot, generation=1)
            assert not got.success, slot
        first = stub.Get(key=name, session_id=client.session, buffer_capacity=MIB, slot=4, generation=10)
        assert first.success, first.error_message
        stale = stub.Get(key=name, session_id=client.session, buffer_capacity=MIB, slot=4, generation=9)
        assert not stale.success
        done = stub.Cancel(session_id=client.session, slot=4, generation=10)
        assert done.error_code == 0 and not done.was_active


def test_pinned_version_outlives_overwriting_and_deleting(no_sanitizer, server, stub, name):
    data = content(name, 500000)
    stub.Put(key=name, inline_value=data)
    with Rdma(stub, server.provider) as client:
        begun = stub.Get(key=name, session_id=client.session, buffer_capacity=100000, pin=True)
        assert begun.success and begun.transfer and begun.total_length == 500000, begun.error_message
        stub.Put(key=name, inline_value=b"other")
        stub.Delete(key=name)
        for at in range(0, 500000, 100000):
            part = stub.Get(key=name, session_id=client.session, buffer_capacity=100000, transfer=begun.transfer,
                            range_offset=at, range_length=100000, last=at == 400000)
            assert part.success and part.value_length == 100000, part.error_message
            assert client.engine.buffer[:100000] == data[at:at + 100000]
        late = stub.Get(key=name, session_id=client.session, buffer_capacity=100000, transfer=begun.transfer)
        assert not late.success


def test_begun_puts_of_a_session_have_a_limit(stub, name):
    session = stub.RegisterClient(protocol_version=1, credits_wanted=8).session_id
    begun = [stub.BeginPut(key=name + b"%d" % number, value_length=1, session_id=session) for number in range(200)]
    assert begun[0].error_code == 0 and begun[199].error_code == CODE["ELIMIT"]
    assert 0 < sum(not answer.error_code for answer in begun) < 100
    stub.Unregister(session_id=session)
    wait_for(lambda: stats(stub)["uploads"] == 0, 10, "the uploads are dropped")


def test_unknown_fields_are_ignored(stub, name):
    """A newer client's fields, of every wire type: 9000 varint, 9001 fixed64, 9002 bytes, 9003 fixed32."""
    request = message("PutRequest")(key=name, inline_value=b"value").SerializeToString()
    for extra in (b"\xc0\xb2\x04\x07", b"\xc9\xb2\x04" + b"\1" * 8, b"\xd2\xb2\x04\x03abc", b"\xdd\xb2\x04abcd"):
        answer = message("PutResponse").FromString(stub.raw("Put", extra + request + extra))
        assert answer.success, answer
        assert stub.Get(key=name).inline_value == b"value"


def test_bytes_that_are_no_message_are_refused(stub):
    bad = [b"\xff", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0a\x05abc", b"\x0b", b"\x08" + b"\xff" * 11,
           b"\x0a\xff\xff\xff\x7f" + b"x" * 100]
    for method in stub.methods:
        for data in bad:
            with pytest.raises(grpc.RpcError) as error:
                stub.raw(method, data)
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT, (method, data)


def test_random_and_flipped_messages_never_hurt(server, stub, name):
    """Every method, with messages damaged bit by bit, cut short or made up."""
    chance = random.Random(f"{server.provider} 20")
    samples = {
        method: message(f"{method}Request")() if method not in ("Batch",) else message("BatchRequest")()
        for method in stub.methods
    }
    for method, sample in samples.items():
        fill(sample, chance, name)
        good = sample.SerializeToString()
        for number in range(60):
            data = bytearray(good)
            if number % 3 == 0 and data:
                for _ in range(chance.randint(1, 8)):
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            elif number % 3 == 1:
                del data[chance.randrange(len(data) + 1):]
            else:
                data = bytearray(chance.randbytes(chance.randrange(200)))
            try:
                stub.raw(method, bytes(data))
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED), (
                    method, bytes(data), error)
        assert server.running(), (method, server.describe())
    assert stub.Ping().error_code == 0


def fill(sample, chance, name):
    """Some value in every field."""
    for field in sample.DESCRIPTOR.fields:
        repeated = field.label == field.LABEL_REPEATED
        if field.message_type:
            fill(getattr(sample, field.name).add() if repeated else getattr(sample, field.name), chance, name)
            continue
        if field.type == field.TYPE_BYTES:
            value = name + chance.randbytes(5)
        elif field.type == field.TYPE_STRING:
            value = "text"
        elif field.type == field.TYPE_BOOL:
            value = True
        else:
            value = chance.choice([1, 2, 63, 1 << 20, (1 << 31) - 1])
        if repeated:
            getattr(sample, field.name).append(value)
        else:
            setattr(sample, field.name, value)


def test_unknown_methods_are_unimplemented(server):
    with channel(server.addr) as link:
        for path in ("/kv_cache.KvCacheService/Nonsense", "/nonsense.Service/Get", "/a", "/" + "x" * 1000):
            with pytest.raises(grpc.RpcError) as error:
                link.unary_unary(path)(b"", timeout=20)
            assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED, path


def test_messages_above_the_limit_are_refused(stub, name):
    with pytest.raises(grpc.RpcError) as error:
        stub.Put(key=name, inline_value=bytes(66 * MIB), timeout=60)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.Ping().error_code == 0


def test_streams_do_not_fit_unary_methods(server):
    """A client that treats Put as a stream, or sends several messages, gets an error; nobody else does."""
    request = message("PutRequest")(key=b"stream", inline_value=b"x").SerializeToString()
    with channel(server.addr) as link:
        calls = [link.stream_stream("/kv_cache.KvCacheService/Put")(iter([request] * 3), timeout=5),
                 link.stream_stream("/kv_cache.KvCacheService/Put")(iter([]), timeout=5)]
        for call in calls:
            try:
                list(call)
            except grpc.RpcError:
                pass
        assert Stub(link).Ping().error_code == 0


def test_method_names_are_those_of_the_proto(stub):
    """The table of methods above is complete: a new method needs a test here."""
    assert {snake(method) for method in stub.methods} == {
        "get", "put", "delete", "register_client", "heartbeat", "ping", "unregister", "stat", "list", "stats",
        "cancel", "begin_put", "put_chunk", "commit_put", "release", "attach", "detach", "batch"}
