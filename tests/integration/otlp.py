"""OTLP requests for tests, made with the official definitions."""

import gzip
import os
import time

import zstandard
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.profiles.v1development import profiles_pb2

PERIOD = 50_000_000  # 20 Hz


class Table:
    """Rows of a dictionary table by content; row 0 is the empty one."""

    def __init__(self, rows, empty):
        self.rows, self.seen = rows, {}
        rows.append(empty)
        self.seen[self.key(empty)] = 0

    @staticmethod
    def key(row):
        return row if isinstance(row, str) else row.SerializeToString(deterministic=True)

    def put(self, row):
        key = self.key(row)
        if key not in self.seen:
            self.seen[key] = len(self.rows)
            self.rows.append(row)
        return self.seen[key]


class Dictionary:
    def __init__(self, d):
        d.mapping_table.append(profiles_pb2.Mapping())
        d.link_table.append(profiles_pb2.Link())
        self.strings = Table(d.string_table, "")
        self.functions = Table(d.function_table, profiles_pb2.Function())
        self.locations = Table(d.location_table, profiles_pb2.Location())
        self.stacks = Table(d.stack_table, profiles_pb2.Stack())
        self.attributes = Table(d.attribute_table, profiles_pb2.KeyValueAndUnit())

    def attribute(self, key, value):
        kind = "int_value" if isinstance(value, int) else "string_value"
        return self.attributes.put(
            profiles_pb2.KeyValueAndUnit(
                key_strindex=self.strings.put(key), value=common_pb2.AnyValue(**{kind: value})
            )
        )

    def frame(self, text):
        """ "name", "name@file:line" """
        name, _, place = text.partition("@")
        file, _, line = place.partition(":")
        function = self.functions.put(
            profiles_pb2.Function(
                name_strindex=self.strings.put(name), filename_strindex=self.strings.put(file)
            )
        )
        kind = self.attribute("profile.frame.type", "cpython" if file.endswith(".py") else "native")
        location = profiles_pb2.Location(attribute_indices=[kind])
        location.lines.append(profiles_pb2.Line(function_index=function, line=int(line or 0)))
        return self.locations.put(location)

    def stack(self, text):
        """ "main;f;g", root first """
        frames = [self.frame(f) for f in reversed(text.split(";"))]
        return self.stacks.put(profiles_pb2.Stack(location_indices=frames))


def profiles(stacks, service="shop", host="web-1", process="app", pid=100, at=None, window=None, seconds=10):
    """A request with one window: {stack: samples}."""
    request = profiles_service_pb2.ExportProfilesServiceRequest()
    d = Dictionary(request.dictionary)
    resource = request.resource_profiles.add()
    for key, value in (("service.name", service), ("host.name", host)):
        if value is not None:
            resource.resource.attributes.add(key=key).value.string_value = value
    profile = resource.scope_profiles.add().profiles.add()
    profile.sample_type.type_strindex = d.strings.put("samples")
    profile.sample_type.unit_strindex = d.strings.put("count")
    profile.period_type.type_strindex = d.strings.put("cpu")
    profile.period_type.unit_strindex = d.strings.put("nanoseconds")
    profile.period = PERIOD
    profile.time_unix_nano = int((time.time() - seconds if at is None else at) * 1e9)
    profile.duration_nano = int(seconds * 1e9)
    profile.profile_id = window or os.urandom(16)
    labels = [
        d.attribute("process.pid", pid),
        d.attribute("process.executable.name", process),
        d.attribute("thread.name", "main"),
    ]
    for stack, count in stacks.items():
        profile.samples.add(stack_index=d.stack(stack), attribute_indices=labels, values=[count])
    return request.SerializeToString()


def gauge(points, metric="system.memory.usage", unit="By", service="shop", host="web-1", state="used"):
    """A request with one gauge: {time: value}."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for key, value in (("service.name", service), ("host.name", host)):
        resource.resource.attributes.add(key=key).value.string_value = value
    m = resource.scope_metrics.add().metrics.add(name=metric, unit=unit)
    for at, value in points.items():
        point = m.gauge.data_points.add(time_unix_nano=int(at * 1e9), as_double=value)
        point.attributes.add(key="system.memory.state").value.string_value = state
    return request.SerializeToString()


def encode(body, encoding):
    if encoding == "gzip":
        return gzip.compress(body)
    if encoding == "zstd":
        return zstandard.compress(body)
    return body


def send(client, key, body, path="/v1development/profiles", encoding="identity", **headers):
    return client.post(
        path,
        data=encode(body, encoding),
        headers={
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": encoding,
            "Origin": None,
            **headers,
        },
    )


def profiles_answer(response):
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/x-protobuf"
    return profiles_service_pb2.ExportProfilesServiceResponse.FromString(response.content)
