"""The way to a mesh, and what it says when it refuses.

DUALWHEEL_ENDPOINT is its URL, http://127.0.0.1:7650 by default. Where the mesh wants them: DUALWHEEL_CA is the PEM file
of the authority that an https endpoint is checked against (the system's when not set), DUALWHEEL_CERT and DUALWHEEL_KEY
are the PEM files of this client's own certificate, and DUALWHEEL_TOKEN is a bearer token.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def connect() -> grpc.Channel:
    endpoint = urlsplit(os.environ.get("DUALWHEEL_ENDPOINT", "http://127.0.0.1:7650"))
    if endpoint.scheme == "https":
        credentials = grpc.ssl_channel_credentials(
            root_certificates=pem("DUALWHEEL_CA"),
            private_key=pem("DUALWHEEL_KEY"),
            certificate_chain=pem("DUALWHEEL_CERT"),
        )
        channel = grpc.secure_channel(endpoint.netloc, credentials)
    else:
        channel = grpc.insecure_channel(endpoint.netloc)
    token = os.environ.get("DUALWHEEL_TOKEN")
    return grpc.intercept_channel(channel, Bearer(token)) if token else channel


def pem(variable: str) -> bytes | None:
    path = os.environ.get(variable)
    return Path(path).read_bytes() if path else None


class Bearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Sends a token with every call."""

    def __init__(self, token: str):
        self.header = ("authorization", f"Bearer {token}")

    def intercept(self, proceed, call, request):
        return proceed(call._replace(metadata=[*(call.metadata or ()), self.header]), request)

    intercept_unary_unary = intercept_unary_stream = intercept
    intercept_stream_unary = intercept_stream_stream = intercept


@dataclass
class Refusal:
    """Why a call failed: a reason for programs, and every wrong field with what is expected of it."""

    reason: str
    values: dict[str, str]
    fields: dict[str, str]


def refusal(error: grpc.RpcError) -> Refusal:
    """Reads `google.rpc.ErrorInfo` and `google.rpc.BadRequest` out of the trailer `grpc-status-details-bin`."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        detail.Unpack(info)
        detail.Unpack(bad)
    fields = {violation.field: violation.description for violation in bad.field_violations}
    return Refusal(info.reason, dict(info.metadata), fields)
