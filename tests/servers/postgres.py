"""A PostgreSQL of the test's own, from the programs that Debian's package postgresql installs."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from tests.servers.ports import free_port

START_TIMEOUT_S = 60


def programs() -> Path | None:
    """The folder of initdb and postgres, None where PostgreSQL is not installed."""
    programs = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    on_path = shutil.which("initdb")
    return programs[-1].parent if programs else Path(on_path).parent if on_path else None


@contextmanager
def serve_postgres(*databases: str) -> Iterator[str]:
    """Yield ``user@host:port`` of a server on loopback with these empty databases."""
    own = (
        {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    )  # PostgreSQL refuses to run as root
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if own:
            shutil.chown(folder, **own)
        where = f"{folder}/data"
        make = [
            programs() / "initdb",
            "-D",
            where,
            "-U",
            "mfer",
            "--auth",
            "trust",
            "--no-sync",
            "--encoding",
            "UTF8",
            "--no-locale",
        ]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **own)
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        command = [
            programs() / "postgres",
            "-D",
            where,
            "-p",
            str(port),
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        with Path(f"{folder}/log").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **own)
        try:
            for name in databases:
                _create(name, port, server)
            yield f"mfer@127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def dump(address: str, database: str) -> str:
    """All that a database holds, as SQL."""
    command = [programs() / "pg_dump", f"postgresql://{address}/{database}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def query(address: str, database: str, text: str) -> list[tuple]:
    """The rows of a query."""
    connection = psycopg2.connect(f"postgresql://{address}/{database}")
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()
    finally:
        connection.close()


def _create(database: str, port: int, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            connection = psycopg2.connect(host="127.0.0.1", port=port, user="mfer", dbname="postgres")
            break
        except psycopg2.OperationalError:
            assert server.poll() is None and time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.1)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
    connection.close()
