# SPDX-License-Identifier: Apache-2.0
"""kv_cache.proto as an independent client sees it: messages and stubs made from the .proto files."""
import os
import re
import subprocess
import tempfile

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from harness import ROOT, SLOW

KV = "kv_cache"
HEALTH = "grpc.health.v1"


def load():
    """A pool with both files; protoc comes with the packages of ./dev setup."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "set")
        subprocess.run(
            ["protoc", f"--proto_path={ROOT}/src/control", f"--descriptor_set_out={out}",
             "kv_cache.proto", "health.proto"],
            check=True,
        )
        with open(out, "rb") as file:
            files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for item in files.file:
        pool.Add(item)
    return pool


POOL = load()
FACTORY = message_factory.MessageFactory(POOL)


def message(name, package=KV):
    return FACTORY.GetPrototype(POOL.FindMessageTypeByName(f"{package}.{name}"))


class Stub:
    """stub.Put(key=b"k", inline_value=b"v") calls the method and gives the answer."""

    def __init__(self, channel, service=f"{KV}.KvCacheService"):
        self._channel = channel
        self._service = POOL.FindServiceByName(service)

    def __getattr__(self, name):
        method = self._service.methods_by_name[name]
        request_class = FACTORY.GetPrototype(method.input_type)
        answer_class = FACTORY.GetPrototype(method.output_type)
        call = self._channel.unary_unary(
            f"/{self._service.full_name}/{name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=answer_class.FromString,
        )

        def invoke(request=None, timeout=30, **fields):
            return call(request if request is not None else request_class(**fields), timeout=timeout * SLOW)

        setattr(self, name, invoke)
        return invoke

    def raw(self, name, data, timeout=30):
        """Sends any bytes as the request; the bytes of the answer."""
        call = self._channel.unary_unary(f"/{self._service.full_name}/{name}")
        return call(data, timeout=timeout * SLOW)

    @property
    def methods(self):
        return list(self._service.methods_by_name)


def channel(addr):
    return grpc.insecure_channel(
        addr,
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        ],
    )


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def stats(stub):
    """The server's counters by name."""
    answer = stub.Stats()
    assert answer.error_code == 0, answer.error_message
    return {counter.name: counter.value for counter in answer.counters}
