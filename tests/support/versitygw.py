"""A throw-away versitygw (the program in the object store's image) on the loopback, for tests that need S3."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
from botocore.config import Config
from mypy_boto3_s3 import S3Client

from toolchain import steps
from toolchain.machine import Machine
from toolchain.setup import docker_engine, golang, versitygw
from toolchain.shell import RealShell

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "workloads" / "object_store" / "bin" / "versitygw"
START_S = 20


@dataclass(frozen=True)
class S3Server:
    """A server that runs: where it is, its keys, and the folder in which each bucket is a folder."""

    url: str
    access_key: str
    secret_key: str
    data: Path

    def boto3(self) -> S3Client:
        """A client with the server's keys."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def binary() -> Path:
    """The program; built by the set-up's own step when it is not there yet."""
    if not BINARY.exists():
        machine = Machine(ROOT, os.environ)
        shell = RealShell(machine.logs, os.environ)
        made = [golang.step(machine, shell), docker_engine.step(machine, shell), versitygw.step(machine, shell)]
        steps.run(made, steps.say)
    return BINARY


@contextmanager
def s3_server(folder: Path, launcher: Sequence[str] = ()) -> Iterator[S3Server]:
    """A server over `folder`/data, with fresh keys, gone afterwards; `launcher` is a command that starts the rest."""
    data = folder / "data"
    data.mkdir()
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", secrets.token_hex(8), secrets.token_hex(16), data)
    keys = {"ROOT_ACCESS_KEY_ID": server.access_key, "ROOT_SECRET_ACCESS_KEY": server.secret_key}
    command = [
        *launcher,
        str(binary()),
        "--port",
        f"127.0.0.1:{port}",
        "--health",
        "/healthz",
        "--quiet",
        "--keep-alive",
    ]
    command += ["posix", "--disable-object-lock-file", "--disableotmp", str(data)]
    with (folder / "versitygw.log").open("ab") as log:
        process = subprocess.Popen(command, env={**os.environ, **keys}, stdout=log, stderr=log)
    try:
        _wait(server, process, folder / "versitygw.log")
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            if httpx.get(f"{server.url}/healthz").is_success:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"versitygw did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)
