"""Proxy rules: which proxy an address gets, by the variables that operators set."""

import pytest

from contract.proxies import NO_PROXY_VARIABLES, PROXY_VARIABLES, find_proxy, split_credentials

PROXY = "http://proxy:3128"
SLACK = "https://slack.com/api/"


@pytest.fixture(autouse=True)
def remove_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test without a proxy."""
    for variable in (*PROXY_VARIABLES["https"], *NO_PROXY_VARIABLES):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("variable", PROXY_VARIABLES["https"])
@pytest.mark.parametrize("url", [SLACK, "http://slack.test/api/", "wss://wss-primary.slack.com/"])
def test_one_variable_counts_for_every_call(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    """Capital or lower case, one proxy serves API, upload and socket."""
    assert find_proxy(url) is None
    monkeypatch.setenv(variable, f" {PROXY}\n")
    assert find_proxy(url) == PROXY


def test_variable_of_the_scheme_counts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as unset."""
    monkeypatch.setenv("HTTPS_PROXY", "")
    monkeypatch.setenv("https_proxy", "http://secure:1")
    monkeypatch.setenv("HTTP_PROXY", "http://plain:1")
    assert find_proxy(SLACK) == "http://secure:1"
    assert find_proxy("wss://slack.com/link") == "http://secure:1"
    assert find_proxy("http://slack.test/api/") == "http://plain:1"


def test_unencrypted_socket_is_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK encrypts each socket through a proxy, and only a local workspace has another one."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert find_proxy("ws://127.0.0.1:9/link") is None


@pytest.mark.parametrize("variable", NO_PROXY_VARIABLES)
@pytest.mark.parametrize(
    ("rules", "url"),
    [
        *[
            (rules, SLACK)
            for rules in ("*", "slack.com", "SLACK.com", ".slack.com", "a, slack.com")
        ],
        ("a slack.com", SLACK),
        ("a,,*", SLACK),
        ("slack.com:8443", "https://slack.com:8443/api/"),
        ("slack.com:443", SLACK),
        ("127.0.0.1:80", "http://127.0.0.1/api/"),
        *[(rules, "wss://wss-backup.slack.com/link") for rules in (".slack.com", "*.slack.com")],
        ("10.0.0.0/8", "http://10.1.2.3:8080/api/"),
        ("127.0.0.1", "http://127.0.0.1:8080/api/"),
        ("::1", "http://[::1]:8080/api/"),
        ("[::1]", "http://[::1]:8080/api/"),
        ("fd00::/8", "http://[fd12::1]/api/"),
    ],
)
def test_excluded_address_is_direct(
    monkeypatch: pytest.MonkeyPatch, variable: str, rules: str, url: str
) -> None:
    """Names, domains, ports, networks and `*` exclude an address."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv(variable, rules)
    assert find_proxy(url) is None


@pytest.mark.parametrize(
    ("rules", "url"),
    [
        *[
            (rules, SLACK)
            for rules in ("slack.co", "notslack.com", "files.slack.com", "10.0.0.0/8")
        ],
        ("slack.com:8443", SLACK),
        ("slack.com", "https://evilslack.com/"),
        ("10.0.0.0/8", "http://11.1.2.3/api/"),
        ("::1", "http://10.1.2.3/api/"),
        ("10.0.0.0/99", "http://10.1.2.3/api/"),
    ],
)
def test_other_address_uses_the_proxy(
    monkeypatch: pytest.MonkeyPatch, rules: str, url: str
) -> None:
    """A similar name is another name."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", rules)
    assert find_proxy(url) == PROXY


def test_credentials_become_a_header() -> None:
    """The address alone may stand in a log."""
    address, headers = split_credentials("http://ada:s%3Acret@proxy:3128")
    assert address == PROXY
    assert headers == {"Proxy-Authorization": "Basic YWRhOnM6Y3JldA=="}
    assert split_credentials(PROXY) == (PROXY, {})
