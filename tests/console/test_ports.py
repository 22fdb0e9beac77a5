import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from app.console.ports import choose_ports, is_free, reachable
from app.core.errors import Misconfigured

HOST = "127.0.0.1"


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_free_port_is_kept_and_a_taken_one_replaced(held: ExitStack) -> None:
    with socket.create_server((HOST, 0)) as server, socket.create_server((HOST, 0)) as other:
        taken, free = server.getsockname()[1], other.getsockname()[1]
        other.close()
        ports = choose_ports(HOST, {"risk": taken, "executor": free}, held)
        assert not is_free(HOST, taken)
        assert (ports["executor"].taken, ports["executor"].moved) == (free, False)
        assert ports["risk"].taken not in (taken, free)
        assert ports["risk"].moved


def test_what_one_chose_is_taken_for_others_until_it_is_let_go(held: ExitStack) -> None:
    port = choose_ports(HOST, {"risk": 0}, held)["risk"].taken
    with ExitStack() as others:
        assert choose_ports(HOST, {"risk": port}, others)["risk"].moved
    assert not is_free(HOST, port)
    held.close()
    assert is_free(HOST, port)


def test_port_zero_takes_any_and_has_not_moved(held: ExitStack) -> None:
    port = choose_ports(HOST, {"risk": 0}, held)["risk"]
    assert port.taken > 0
    assert not port.moved


def test_no_two_names_get_one_port(held: ExitStack) -> None:
    ports = choose_ports(HOST, {**{f"any{n}": 0 for n in range(20)}, "a": 45_999, "b": 45_999}, held)
    assert len({port.taken for port in ports.values()}) == 22


def test_an_address_of_another_machine_is_refused_with_the_settings_to_change(held: ExitStack) -> None:
    with pytest.raises(
        Misconfigured, match=r"192\.0\.2\.1 cannot be listened on .*; set metrics\.host or sandbox\.host"
    ):
        choose_ports("192.0.2.1", {"risk": 0}, held)


def test_a_server_on_all_addresses_is_reached_on_loopback() -> None:
    assert [reachable(host) for host in ("0.0.0.0", "::", "10.0.0.7")] == ["127.0.0.1", "::1", "10.0.0.7"]
