"""Held ports, against the system that gives them out: real sockets, real processes."""

import signal
import socket
import subprocess
import sys

import pytest

from app.core.ports import hold_any_port, hold_port

HOST = "127.0.0.1"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ports are held the way Linux has them")

# In a network of its own that has ten ports to give away: what nobody holds is soon all given.
EXHAUSTED = """
import socket
from app.core.ports import hold_any_port, hold_port

HOST = "127.0.0.1"
def given(connect):
    ports = set()
    sockets = []
    try:
        while True:
            sockets.append(socket.socket())
            sockets[-1].connect(connect) if connect else sockets[-1].bind((HOST, 0))
            ports.add(sockets[-1].getsockname()[1])
    except OSError:
        return ports
    finally:
        for used in sockets:
            used.close()

held = [hold_any_port(HOST), hold_any_port(HOST), hold_port(HOST, 40007)]
ours = {port.port for port in held}
with socket.create_server((HOST, 50000)) as server:
    for where in (None, server.getsockname()):
        others = given(where)
        assert others and not others & ours, (others, ours)
for port in held:
    port.close()
assert given(None) & ours
"""

HOLDER = """
import sys
from app.core.ports import hold_any_port
held = hold_any_port("127.0.0.1")
print(held.port, flush=True)
sys.stdin.read()
"""


def test_a_server_that_knows_of_it_listens_on_it_again_and_again_and_nobody_else_can() -> None:
    with hold_any_port(HOST) as held:
        for _ in range(2):
            with socket.create_server((HOST, held.port)) as server:
                client = socket.create_connection((HOST, held.port), timeout=5)
                accepted, _ = server.accept()
                # The side that closes first lingers, as the connections of a server that is killed do.
                accepted.close()
                client.close()
                with pytest.raises(OSError, match="in use"):
                    socket.create_server((HOST, held.port))


def test_between_two_lives_of_its_server_connections_are_refused() -> None:
    with hold_any_port(HOST) as held, pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, held.port), timeout=5)


def test_it_has_one_holder_and_a_port_in_use_has_none() -> None:
    with hold_any_port(HOST) as held:
        assert hold_port(HOST, held.port) is None
    with socket.create_server((HOST, 0)) as server:
        assert hold_port(HOST, server.getsockname()[1]) is None


def test_it_is_free_once_its_holder_was_killed() -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())
        assert hold_port(HOST, port) is None
        holder.send_signal(signal.SIGKILL)
    held = hold_port(HOST, port)
    assert held is not None
    held.close()


def test_the_system_gives_it_to_nobody() -> None:
    few = "ip link set lo up && echo '40000 40009' > /proc/sys/net/ipv4/ip_local_port_range"
    own_network = ["unshare", "--map-root-user", "--net"]
    try:
        usable = subprocess.run([*own_network, "sh", "-c", few], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare on this machine")
    if usable.returncode:
        pytest.skip(f"this machine lets us have no network of our own: {usable.stderr.strip()}")
    run = [*own_network, "sh", "-c", f'{few} && exec "$0" -c "$1"', sys.executable, EXHAUSTED]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(OSError, match="Cannot assign"):
        hold_any_port("192.0.2.1")
