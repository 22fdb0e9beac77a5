"""Downloads from a real server that cuts, forgets, changes and refuses."""

import fcntl
import hashlib
import http.client
import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.console.download_command import ProgressLine
from app.core.errors import BadInput, Misconfigured, Retryable
from app.importers.checksum import given_digest, parse_sidecar, sidecar_url
from app.importers.download import DownloadReport, download
from app.importers.http_get import Redirects, check_url, shown

from .server import Server

ROOT = Path(__file__).resolve().parents[2]
CONTENT = hashlib.shake_256(b"a recording").digest(300_000)
OTHER = hashlib.shake_256(b"another").digest(250_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FAST = (0.0, 0.01, 0.01)
PATH = "/data/day.zip"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "got" / "day.zip"


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def fetch(server: Server, target: Path, sha256: str | None = None, *, sidecar: bool = True) -> DownloadReport:
    return download(server.url + PATH, target, sha256=sha256, sidecar=sidecar, retry_delays_s=FAST)


def test_a_whole_file_is_checked_against_the_archives_checksum(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT)
    seen: list[tuple[int, int | None]] = []
    report = download(server.url + PATH, target, on_progress=lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert left(target) == ["day.zip"]
    assert (report.checked, report.sha256, report.size_bytes) == ("sidecar", SHA256, 300_000)
    assert (report.received_bytes, report.kept_bytes, report.requests) == (300_000, 0, 1)
    assert (report.url, report.path, report.already_there) == (server.url + PATH, str(target), False)
    assert seen[0] == (0, 300_000)
    assert seen[-1] == (300_000, 300_000)
    assert seen == sorted(seen)


def test_a_cut_connection_is_gone_on_from(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT).cuts = [100_000, 50_000]
    report = fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert server.asked(PATH) == ["", "bytes=100000-", "bytes=150000-"]
    assert (report.received_bytes, report.requests) == (300_000, 3)


def test_tries_start_over_as_long_as_bytes_come(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT).cuts = [20_000] * 10
    assert fetch(server, target).requests == 11  # more than FAST has pauses


def test_a_failed_download_is_gone_on_from_by_the_next_call(server: Server, target: Path) -> None:
    shelf = server.put(PATH, CONTENT)
    shelf.cuts = [120_000, 0, 0, 0]
    with pytest.raises(Retryable, match=r"gave up after 4 requests, 120000 bytes are kept in day.zip.part: run this"):
        fetch(server, target)
    assert left(target) == ["day.zip.part", "day.zip.part.json"]
    server.requests.clear()
    report = fetch(server, target)
    assert server.asked(PATH) == ["bytes=120000-"]
    assert (report.kept_bytes, report.received_bytes) == (120_000, 180_000)
    assert target.read_bytes() == CONTENT
    assert left(target) == ["day.zip"]


def test_last_modified_will_do_where_the_etag_is_weak(server: Server, target: Path) -> None:
    shelf = server.put(PATH, CONTENT)
    shelf.etag, shelf.modified, shelf.cuts = 'W/"one"', "Tue, 24 Apr 2018 03:52:17 GMT", [100_000]
    report = fetch(server, target)
    assert server.asked(PATH) == ["", "bytes=100000-"]
    assert (report.requests, report.received_bytes) == (2, 300_000)
    assert target.read_bytes() == CONTENT


def test_without_a_validator_nothing_is_kept(server: Server, target: Path) -> None:
    shelf = server.put(PATH, CONTENT)
    shelf.etag, shelf.cuts = None, [100_000]
    report = fetch(server, target)
    assert server.asked(PATH) == ["", ""]
    assert report.received_bytes == 400_000
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: Server, target: Path) -> None:
    shelf = server.put(PATH, CONTENT)
    shelf.ranges, shelf.cuts = False, [100_000]
    report = fetch(server, target)
    assert server.asked(PATH) == ["", "bytes=100000-"]
    assert report.received_bytes == 400_000
    assert target.read_bytes() == CONTENT


def test_a_changed_etag_starts_over(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT).cuts = [100_000, 0, 0, 0]
    with pytest.raises(Retryable):
        fetch(server, target)
    server.put(PATH, OTHER).etag = '"two"'
    report = fetch(server, target)
    assert target.read_bytes() == OTHER
    assert (report.kept_bytes, report.received_bytes) == (0, 250_000)


def test_a_range_of_a_changed_file_is_not_appended(server: Server, target: Path) -> None:
    """A server that ignores If-Range."""
    server.put(PATH, CONTENT).cuts = [100_000, 0, 0, 0]
    with pytest.raises(Retryable):
        fetch(server, target)
    changed = CONTENT[::-1]
    shelf = server.put(PATH, changed)
    shelf.modified, shelf.etag = '"one"', '"two"'
    assert fetch(server, target).received_bytes == 300_000
    assert target.read_bytes() == changed
    assert server.asked(PATH)[-2:] == ["bytes=100000-", ""]


def test_a_shorter_file_of_the_same_etag_is_started_over(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT).cuts = [280_000, 0, 0, 0]
    with pytest.raises(Retryable):
        fetch(server, target)
    server.put(PATH, OTHER)  # 416: 280,000 is beyond its end
    fetch(server, target)
    assert target.read_bytes() == OTHER


def test_a_part_of_another_address_is_not_gone_on_from(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT).cuts = [100_000, 0, 0, 0]
    with pytest.raises(Retryable):
        fetch(server, target)
    server.put("/other.zip", OTHER)
    download(server.url + "/other.zip", target)
    assert server.asked("/other.zip") == [""]
    assert target.read_bytes() == OTHER


def test_a_part_that_is_whole_is_only_named(server: Server, target: Path) -> None:
    """As a crash before the last step leaves it."""
    server.put(PATH, CONTENT).cuts = [100_000, 0, 0, 0]
    with pytest.raises(Retryable):
        fetch(server, target)
    with (target.parent / "day.zip.part").open("ab") as part:
        part.write(CONTENT[100_000:])
    server.requests.clear()
    report = fetch(server, target)
    assert server.asked(PATH) == []
    assert (report.kept_bytes, report.received_bytes, target.read_bytes()) == (300_000, 0, CONTENT)


def test_a_wrong_checksum_is_refused_and_the_file_kept_apart(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT, checksum="ab" * 32)
    with pytest.raises(
        BadInput, match=rf"wrong checksum: expected SHA-256 (ab){{32}}, got {SHA256}; .*day.zip.bad"
    ) as e:
        fetch(server, target)
    assert e.value.reason == "checksum"
    assert left(target) == ["day.zip.bad"]
    assert (target.parent / "day.zip.bad").read_bytes() == CONTENT
    assert fetch(server, target, SHA256.upper()).checked == "given"
    assert target.read_bytes() == CONTENT


def test_a_given_checksum_asks_for_no_sidecar(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT, checksum="not a checksum")
    assert fetch(server, target, SHA256).checked == "given"
    assert server.asked(PATH + ".CHECKSUM") == []


def test_without_a_sidecar_nothing_is_checked_and_that_is_said(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT, checksum="")
    assert fetch(server, target).checked == "none"
    assert server.asked(PATH + ".CHECKSUM") == [""]
    target.unlink()
    server.put(PATH, CONTENT, checksum="ab" * 32)
    assert fetch(server, target, sidecar=False).checked == "none"


def test_a_sidecar_that_is_none_is_refused(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT, checksum="<html>log in</html>")
    with pytest.raises(BadInput, match=r"no list of `sha256  name` lines; it starts with '<html>log in"):
        fetch(server, target)
    assert not target.exists()


def test_a_passing_failure_is_tried_again(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT).statuses = [503, 429, 500]
    server.shelves[PATH + ".CHECKSUM"].statuses = [502]
    server.shelves[PATH + ".CHECKSUM"].cuts = [64]  # a checksum without a name, were it taken for whole
    assert fetch(server, target).requests == 4
    assert len(server.asked(PATH + ".CHECKSUM")) == 3


def test_not_found_is_said_at_once(server: Server, target: Path) -> None:
    with pytest.raises(Misconfigured, match=r"/data/day.zip answers 404 Not Found; check the address"):
        fetch(server, target)
    assert server.asked(PATH) == [""]
    assert not target.exists()


def test_a_body_that_is_always_cut_at_one_place_fails(server: Server, target: Path) -> None:
    shelf = server.put(PATH, CONTENT)
    shelf.ranges, shelf.cuts = False, [100_000] * 9
    with pytest.raises(Retryable, match=r"day.zip ended after 100000 of 300000 bytes; gave up after 4 requests"):
        fetch(server, target)
    assert not target.exists()


def test_a_cut_chunked_body_is_noticed(server: Server, target: Path) -> None:
    shelf = server.put(PATH, CONTENT, checksum="")
    shelf.says_length, shelf.cuts = False, [100_000]
    assert fetch(server, target).requests == 2
    assert target.read_bytes() == CONTENT


def test_no_server_is_said_with_the_address(target: Path) -> None:
    with Server() as gone:
        url = gone.url
    with pytest.raises(Retryable, match=r"http://127.0.0.1:\d+/day.zip.CHECKSUM cannot be reached \(.*refused"):
        download(url + "/day.zip?key=secret", target, retry_delays_s=FAST)


def test_a_file_that_is_there_is_taken_if_it_is_right(server: Server, target: Path) -> None:
    shelf = server.put(PATH, CONTENT)
    fetch(server, target)
    report = fetch(server, target)
    assert (report.already_there, report.received_bytes, report.checked) == (True, 0, "sidecar")
    assert server.asked(PATH) == [""]
    target.write_bytes(OTHER)
    with pytest.raises(Misconfigured, match=r"is there already and differs \(SHA-256 .*remove it"):
        fetch(server, target)
    with pytest.raises(Misconfigured, match="is there already, and no checksum tells whether it is right"):
        fetch(server, target, sidecar=False)
    assert target.read_bytes() == OTHER
    assert shelf.content == CONTENT


def test_into_a_directory_it_keeps_the_name_of_the_address(server: Server, tmp_path: Path) -> None:
    server.put("/a day.zip", CONTENT)
    assert download(server.url + "/a%20day.zip", tmp_path).path == str(tmp_path / "a day.zip")
    for path in ("/", "/..%2Fday.zip", "/.."):
        with pytest.raises(Misconfigured, match="ends in no file name; name the target file"):
            download(server.url + path, tmp_path)


def test_two_downloads_to_one_file_do_not_mix(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT)
    target.parent.mkdir()
    with (target.parent / "day.zip.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Misconfigured, match=r"another process is downloading to .*day.zip.part; wait for it"):
            fetch(server, target)
    fetch(server, target)


def test_a_full_disk_is_said(server: Server, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    server.put(PATH, CONTENT)
    (tmp_path / "day.zip.part").symlink_to("/dev/full")
    with pytest.raises(Misconfigured, match=r"day.zip.part cannot be written: .*; make room or name another target"):
        fetch(server, tmp_path / "day.zip")


def test_proxies_are_not_used(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put(PATH, CONTENT)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_redirects_are_followed_to_http_only(server: Server, target: Path, tmp_path: Path) -> None:
    server.put(PATH, CONTENT)
    (tmp_path / "secret").write_text("secret")
    server.redirects = {"/latest.zip": PATH, "/file.zip": f"file://{tmp_path}/secret", "/loop": "/loop"}
    download(server.url + "/latest.zip", target, sidecar=False)
    assert target.read_bytes() == CONTENT
    for path in ("/file.zip", "/loop"):
        with pytest.raises(Misconfigured, match="answers 302 Found, which leads in a circle or away"):
            download(server.url + path, tmp_path / "other", sidecar=False)
    assert not (tmp_path / "other").exists()


def test_no_redirect_from_https_to_http() -> None:
    request, headers = urllib.request.Request("https://host/a.zip?key=secret"), http.client.HTTPMessage()
    follow = partial(Redirects().redirect_request, request, io.BytesIO(), 302, "Found", headers)
    with pytest.raises(Misconfigured, match=r"https://host/a.zip leads to http://host/a.zip, which is not https"):
        follow("http://host/a.zip")
    followed = follow("https://other/a.zip")
    assert followed is not None
    assert followed.full_url == "https://other/a.zip"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://host/day.zip", r"address 'ftp://host/day.zip' cannot be downloaded; expected http"),
        ("file:///etc/passwd", "cannot be downloaded; expected http"),
        ("http:///day.zip", "cannot be downloaded; expected http"),
        ("http://host:port/day.zip", "cannot be downloaded: Port could not be cast"),
        ("http://user:secret@host/day.zip", r"address 'http://host/day.zip' holds a user name or password"),
        ("http://host/a day.zip", "has spaces or letters that are not ASCII; percent-encode them"),
    ],
)
def test_addresses_that_are_not_asked_for(url: str, text: str, target: Path) -> None:
    with pytest.raises(Misconfigured, match=text):
        download(url, target)
    assert not target.parent.exists()


def test_shown_addresses_hold_no_secret() -> None:
    assert shown("https://u:p@host/a.zip?token=1#x") == "https://host/a.zip"
    assert check_url("https://host/a.zip?x=1") == "https://host/a.zip?x=1"


def test_checksum_files() -> None:
    one, two = "a1" * 32, "b2" * 32
    assert parse_sidecar(f"{one}  day.zip\n{two} *other.zip\n", "other.zip") == two
    assert parse_sidecar(one.upper(), "day.zip") == one
    assert sidecar_url("https://host/a/day.zip?x=1") == "https://host/a/day.zip.CHECKSUM?x=1"
    assert given_digest(one.upper()) == one
    with pytest.raises(BadInput, match=r"speaks of other.zip only"):
        parse_sidecar(f"{two}  other.zip", "day.zip")
    with pytest.raises(BadInput, match="is no list of"):
        parse_sidecar("", "day.zip")
    with pytest.raises(Misconfigured, match="sha256 'abc' is no checksum: expected 64 hexadecimal digits"):
        given_digest("abc")


def aviary(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app", "download", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_the_command(server: Server, tmp_path: Path) -> None:
    server.put(PATH, CONTENT)
    done = aviary(server.url + PATH, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["sha256"], report["checked"], report["path"]) == (SHA256, "sidecar", "day.zip")
    again = aviary(server.url + PATH, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout.startswith("day.zip: 300,000 bytes (was there already) in ")
    assert f"SHA-256 {SHA256} (as the archive says)\n" in again.stdout
    absent = aviary(server.url + "/absent.zip", cwd=tmp_path)
    assert (absent.returncode, absent.stdout) == (2, "")
    assert absent.stderr == f"error: {server.url}/absent.zip answers 404 Not Found; check the address\n"
    server.put("/bad.zip", OTHER, checksum="ab" * 32)
    assert aviary(server.url + "/bad.zip", cwd=tmp_path).returncode == 1


def test_interrupted_by_ctrl_c_it_goes_on_later(server: Server, tmp_path: Path) -> None:
    shelf = server.put(PATH, CONTENT)
    shelf.pause_s = 0.1
    command = [sys.executable, "-m", "app", "download", server.url + PATH]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    part = tmp_path / "day.zip.part"
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said == "interrupted; what came is kept: run this again to go on\n"
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT)
    shelf.pause_s = 0
    report = json.loads(aviary(server.url + PATH, "--json", cwd=tmp_path).stdout)
    assert (report["kept_bytes"], report["received_bytes"]) == (kept, len(CONTENT) - kept)
    assert (tmp_path / "day.zip").read_bytes() == CONTENT


def test_elsewhere_than_on_a_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("app.console.download_command.time.monotonic", lambda: now[0])
    line = ProgressLine()
    for second in range(12):
        now[0] = 100.0 + second
        line(second << 20, 10 << 20)
    now[0] = 200.0
    line(3 << 20, None)
    line.close()
    assert capsys.readouterr().err.splitlines() == [
        "downloading 5.0 MiB of 10.0, 50%", "downloading 10.0 MiB of 10.0, 100%", "downloading 3.0 MiB",
    ]  # fmt: skip


@pytest.mark.parametrize("to", ["/circle", "file:///etc/hostname"])
def test_a_redirect_to_nowhere_says_so_and_leaves_nothing(server: Server, tmp_path: Path, to: str) -> None:
    server.redirects["/circle"] = to
    with pytest.raises(Misconfigured, match=r"/circle answers 302 Found, which leads in a circle"):
        download(server.url + "/circle", tmp_path / "file", sidecar=False, retry_delays_s=())
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_leaves_no_part(server: Server, target: Path) -> None:
    with pytest.raises(Misconfigured, match="404 Not Found; check the address"):
        download(server.url + "/absent", target, retry_delays_s=())
    assert list(target.parent.iterdir()) == []


def test_a_checksum_that_cannot_be_had_says_what_to_do(server: Server, target: Path) -> None:
    server.put(PATH, CONTENT)
    server.shelves[PATH + ".CHECKSUM"].statuses = [503, 503]
    with pytest.raises(
        Retryable, match=r"CHECKSUM answers 503 .*; so it is not known whether .* or ask for none to be"
    ):
        download(server.url + PATH, target, retry_delays_s=(0,))


def test_a_name_no_file_can_have_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="a cannot be a file: File name too long; name another"):
        download("http://127.0.0.1:9/x", tmp_path / ("a" * 300), sidecar=False)


def test_a_server_that_speaks_something_else_is_quoted_on_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(b"220 mail\tis\x0bhere\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        port = listener.getsockname()[1]
        with pytest.raises(Retryable, match=r"cannot be reached \(220 mail is here\); gave up after 1 requests"):
            download(f"http://127.0.0.1:{port}/x", tmp_path / "x", sidecar=False, retry_delays_s=())
        thread.join()


def test_a_terminal_sees_a_bar(server: Server, tmp_path: Path) -> None:
    server.put(PATH, CONTENT).pause_s = 0.01
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "app", "download", server.url + PATH]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    try:
        subprocess.run(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=theirs, timeout=30, check=True
        )
        drawn = os.read(ours, 1 << 16).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert "\rdownloading [" + "#" * 40 + "] 100 %  0.3 MiB of 0.3" in drawn
    assert drawn.endswith("\r\x1b[K")
