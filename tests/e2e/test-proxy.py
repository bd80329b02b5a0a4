#!/usr/bin/env python3
"""http through real proxies, tinyproxy, squid and microsocks, to a real nginx behind them: nothing is lost, the proxy is used where
it was asked for and nowhere else, and its password is in no message and no file."""
import contextlib
import os
import re
import sys

from receiver import Receiver, Skip, check_each, check_outcomes, harness, run, send
from loopback import make_certificates
from nginx import PROGRAM, Nginx
from proxies import HTTP_PROXIES, PROXIES

FAST = "batch_size=20&retry_base_delay=1ms&retry_max_delay=20ms&batch_interval=10ms&breaker_enabled=false&timeout=5s"
PASSWORD = "p%2Ess-hidden" # as in a URL: what is meant is p.ss-hidden
LOCATIONS = "location /in {{ proxy_pass http://127.0.0.1:{port}; }}"
NO_PROXIES = {"http_proxy": "", "https_proxy": "", "no_proxy": "", "HTTPS_PROXY": "", "NO_PROXY": "", "ALL_PROXY": ""}


class Route:
    """A proxy, nginx behind it, and behind that what keeps the records."""

    def __init__(self, place, receiver, kind, has_password):
        self.place, self.receiver = place, receiver
        locations = LOCATIONS.format(port=receiver.port)
        self.nginx = Nginx(place.path, locations, place.start, harness.wait_for)
        user, password = ("me", PASSWORD.replace("%2E", ".")) if has_password else (None, None)
        self.proxy = kind(os.path.join(place.path, "proxy"), harness.wait_for, user, password)
        self.proxy_url = f"{kind.scheme}://{f'me:{PASSWORD}@' if has_password else ''}127.0.0.1:{self.proxy.port}"

    def uri(self, scheme, more="", proxy=None):
        """`proxy`: another value of the option; "" leaves it out."""
        proxy = self.proxy_url.replace("%", "%25") if proxy is None else proxy
        base = self.nginx.tls if scheme == "https" else self.nginx.plain
        return f"{base}/in?{FAST}&tls_ca_file={self.place.path}/ca.pem{f'&proxy={proxy}' if proxy else ''}{more}"

    def asked(self, scheme):
        """How many connections or requests the proxy has noted."""
        is_tls = scheme == "https"
        return self.proxy.asked(is_tls, self.nginx.tls_port if is_tls else self.nginx.plain_port)

    def check_hidden(self, *texts):
        """The password is in none of the texts, and in no file of the collector."""
        harness.check(not any("hidden" in t for t in texts), f"the password of the proxy is shown: {texts}")
        for where, _, names in os.walk(os.path.join(self.place.path, "state")):
            for name in names:
                with open(os.path.join(where, name), "rb") as f:
                    harness.check(b"hidden" not in f.read(), f"the password of the proxy is in {name}")


@contextlib.contextmanager
def route(kind, has_password=False):
    if not os.access(PROGRAM, os.X_OK):
        raise Skip("nginx is not installed; tools/setup test")
    with harness.Place() as place, contextlib.closing(Receiver()) as receiver:
        if not make_certificates(place.path):
            raise Skip("openssl is not installed; tools/setup test")
        r = Route(place, receiver, kind, has_password)
        with r.proxy:
            yield r


def installed(kinds=HTTP_PROXIES):
    found = [kind for kind in kinds if kind.is_installed()]
    if not found:
        raise Skip("no proxy is installed; tools/setup test")
    return found


def each_route(kinds, test):
    """Runs test(route, scheme) with each proxy, with and without a password, plain and over TLS."""
    for kind in installed(kinds):
        for has_password in (False, True):
            for scheme in ("http", "https"):
                with route(kind, has_password) as r:
                    try:
                        test(r, scheme)
                    except harness.Failure as e:
                        raise harness.Failure(f"{kind.__name__}, {scheme}, {'' if has_password else 'no '}password: {e}") from e
    return ", ".join(kind.__name__ for kind in installed(kinds))


def records_come_through_the_proxy():
    def test(r, scheme):
        written = r.place.load_done("--records", 300)
        text = r.place.drain("--verbose", sink=r.uri(scheme), env=NO_PROXIES)
        check_each(r.receiver.events(), written, "delivered")
        harness.wait_for("the proxy has noted it", lambda: r.asked(scheme) > 0)
        r.check_hidden(text, *(str(h) for h, _ in r.receiver.requests))
    return each_route(PROXIES, test)


def while_the_proxy_is_away_records_wait_and_none_is_lost():
    def test(r, scheme):
        producer = r.place.load("--threads", 2, "--records", 0, "--pause-us", 2000, "--burst", 5, "--block")
        collector = r.place.collector("--verbose", "--set", "shutdown_timeout=500ms", sink=r.uri(scheme), env=NO_PROXIES)
        r.place.wait_ready(collector)
        for _ in range(2):
            seen = len(r.receiver.requests)
            harness.wait_for("requests arrive", lambda seen=seen: len(r.receiver.requests) > seen + 3)
            r.proxy.kill()
            sizes = []
            harness.wait_for("nothing arrives any more", lambda sizes=sizes: settled(sizes, len(r.receiver.requests)))
            r.proxy.start()
        r.proxy.kill() # for good, as far as this collector goes
        producer.terminate()
        written = harness.written_by(producer)
        text = harness.stop(collector)
        r.check_hidden(text)
        again = r.place.drain("--set", "shutdown_timeout=500ms", sink=r.uri(scheme), env=NO_PROXIES, status=1)
        harness.check("stay in its spool" in again, again)
        r.proxy.start()
        r.place.drain(sink=r.uri(scheme), env=NO_PROXIES)
        check_each(r.receiver.events(), written, "after the proxy came back")
        harness.check(len(r.receiver.requests) > 10, "too few requests to say anything")
    return each_route(HTTP_PROXIES, test)


def settled(sizes, size):
    """Whether a count has stood still for twenty looks."""
    sizes.append(size)
    return len(sizes) > 20 and len(set(sizes[-20:])) == 1


def a_wrong_password_opens_the_breaker_and_a_right_one_delivers():
    for kind in installed():
        for scheme in ("http", "https"):
            with route(kind, has_password=True) as r:
                wrong = r.uri(scheme, proxy=f"http://me:wrong-hidden@127.0.0.1:{r.proxy.port}")
                for uri in (wrong, r.uri(scheme, proxy=f"http://127.0.0.1:{r.proxy.port}")):
                    result, = send(r.place, uri, 1, 1, env=NO_PROXIES)
                    check_outcomes([result], "broken", uri)
                    said = "HTTP 401" if kind.package == "tinyproxy" and uri == wrong else "HTTP 407"
                    harness.check(result["reason"].startswith(said), str(result))
                    r.check_hidden(str(result))
                written = r.place.load_done("--records", 100)
                text = r.place.drain("--set", "shutdown_timeout=500ms", sink=wrong, env=NO_PROXIES, status=1)
                harness.check("stay in its spool" in text and re.search("HTTP 40[17]", text), text)
                r.check_hidden(text)
                right = r.uri(scheme, f"&proxy_user=me&proxy_password={PASSWORD}", f"http://127.0.0.1:{r.proxy.port}")
                r.place.drain(sink=right, env=NO_PROXIES)
                check_each(r.receiver.events(), written, "with the right password")


def what_the_proxy_does_not_allow_is_said():
    """CONNECT to a port that is not among the allowed ones."""
    rules = {"tinyproxy": "ConnectPort 443\n", "squid": "acl tls port 443\nhttp_access deny CONNECT !tls\nhttp_access allow all\n"}
    for kind in installed():
        class Strict(kind):
            def text(self, allow_all="http_access allow all\n"):
                return super().text().replace(allow_all, "") + rules[self.package]
        with route(Strict) as r:
            result, = send(r.place, r.uri("https"), 1, 1, env=NO_PROXIES)
            check_outcomes([result], "broken", kind.package)
            harness.check("HTTP 403 to CONNECT" in result["reason"], str(result))


def the_environment_says_which_proxy_and_for_whom():
    """(variables, option, scheme, whether the proxy is asked)"""
    kind = installed()[0]
    with route(kind, has_password=True) as r:
        cases = [({"http_proxy": r.proxy_url}, "", "http", True),
                 ({"https_proxy": r.proxy_url}, "", "http", False),
                 ({"https_proxy": r.proxy_url}, "", "https", True),
                 ({"HTTPS_PROXY": r.proxy_url}, "", "https", True),
                 ({"http_proxy": r.proxy_url}, "", "https", False),
                 ({"http_proxy": r.proxy_url, "no_proxy": "example.org,127.0.0.1"}, "", "http", False),
                 ({"https_proxy": r.proxy_url, "no_proxy": "*"}, "", "https", False),
                 ({"http_proxy": r.proxy_url}, "none", "http", False),
                 ({"http_proxy": "http://127.0.0.1:1"}, None, "http", True)]
        for number, (variables, option, scheme, is_asked) in enumerate(cases):
            before = r.asked(scheme)
            results = send(r.place, r.uri(scheme, proxy=option), 1, 1, env={**NO_PROXIES, **variables})
            check_outcomes(results, "delivered", f"case {number}")
            if is_asked:
                harness.wait_for(f"case {number}: the proxy has noted it", lambda b=before, s=scheme: r.asked(s) > b)
            harness.check((r.asked(scheme) > before) == is_asked, f"case {number}: the proxy was asked, and should not have been")


def a_configuration_is_shown_without_the_password():
    kind = installed()[0]
    with route(kind, has_password=True) as r:
        p = r.place.collector("--check", sink=r.uri("https"))
        out, err = p.communicate(timeout=30)
        harness.check(p.returncode == 0 and f"proxy = http://127.0.0.1:{r.proxy.port}" in out, out + err)
        r.check_hidden(out, err)


if __name__ == "__main__":
    sys.exit(run([records_come_through_the_proxy, while_the_proxy_is_away_records_wait_and_none_is_lost,
                  a_wrong_password_opens_the_breaker_and_a_right_one_delivers, what_the_proxy_does_not_allow_is_said,
                  the_environment_says_which_proxy_and_for_whom, a_configuration_is_shown_without_the_password]))
