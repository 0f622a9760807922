"""Why a server gave no answer: real failures of both HTTP libraries, in words without names of classes."""

import errno
import socket
import ssl
import threading

import httpx
import pytest
import requests

from aiops._no_answer import no_answer


@pytest.fixture
def listening():
    """A socket that takes connections and does with them what `done` says."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def addressed(server, scheme="http"):
    return f"{scheme}://127.0.0.1:{server.getsockname()[1]}"


def answering(server, data):
    def once():
        peer, _ = server.accept()
        with peer:
            peer.recv(65_536)
            peer.sendall(data)

    threading.Thread(target=once, daemon=True).start()


@pytest.fixture(params=["httpx", "requests"])
def failure(request):
    """Asks with one of the libraries and gives the error."""

    def ask(url, timeout_s=5.0):
        with pytest.raises((httpx.HTTPError, requests.RequestException)) as caught:
            (httpx if request.param == "httpx" else requests).get(url, timeout=timeout_s)
        return no_answer(caught.value)

    return ask


def test_nobody_who_listens(failure, listening):
    url = addressed(listening)
    listening.close()
    assert failure(url) == "nothing listens there"


def test_a_name_that_nobody_has(failure, monkeypatch):
    # A real question may wait for a name server for seconds.
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure("http://no-such-host.invalid") == "its name cannot be resolved: name or service not known"


def test_one_that_says_nothing(failure, listening):
    assert failure(addressed(listening), timeout_s=0.1) == "no answer in time"


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_an_answer_that_breaks_off(failure, listening, data):
    answering(listening, data)
    assert failure(addressed(listening)) == "the connection broke off"


def test_one_that_does_not_speak_tls(failure, listening):
    answering(listening, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert failure(addressed(listening, "https")).startswith("TLS failed: ")


def test_a_certificate_that_is_not_trusted():
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    assert no_answer(error) == "its certificate is not accepted: self-signed certificate"


def test_what_the_system_says_of_a_network_and_what_nobody_knows():
    assert no_answer(OSError(errno.ENETUNREACH, "Network is unreachable")) == "network is unreachable"
    assert no_answer(httpx.DecodingError("Error -3, token=secret")) == "the request failed (DecodingError)"
    both = OSError("all failed")
    both.__cause__ = ExceptionGroup("two addresses", [ConnectionRefusedError(), TimeoutError()])
    assert no_answer(both) == "nothing listens there"
