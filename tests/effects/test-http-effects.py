#!/usr/bin/env python3
"""What each option of the sinks that speak HTTP does to the requests that a server gets."""
import base64
import json
import os
import sys

from effects import Place, Server, certificates, check, effect, main

SEND = os.environ.get("FAPILOG_SINK_SEND")
AWS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "key", "AWS_EC2_METADATA_DISABLED": "true"}
# scheme of a URI, and the option that is the URL
SINKS = {"http": ("http", "endpoint"), "webhook": ("webhook+http", "endpoint"), "loki": ("loki+http", "url"),
         "otlp": ("otlp+http", "endpoint"), "cloudwatch": (None, "endpoint_url")}


def uri(sink, host, options, tls=False):
    s = "s" if tls else ""
    if sink == "cloudwatch":
        return f"cloudwatch://eu-west-1/group/stream?endpoint_url=http{s}://{host}&{options}"
    return f"{SINKS[sink][0]}{s}://{host}/in?{options}"


def outcomes(text, place=None, env=None):
    """What became of one request with a record; the sink is refused where there is none."""
    with Place() as own:
        p = (place or own).start([SEND, text, "1", "1"], env={**AWS, **(env or {})})
        out, err = p.communicate(timeout=60)
        check(p.returncode == 0, f"{text}: sink-send ended with {p.returncode}: {err}")
        return [json.loads(line)["outcome"] for line in out.splitlines()]


def request(sink, options, **kwargs):
    """The request that a server gets."""
    with Server() as server:
        check(outcomes(uri(sink, f"127.0.0.1:{server.port}", options), **kwargs) == ["delivered"], f"{sink} {options}")
        return server.requests[-1]


def every(option, sinks=tuple(SINKS)):
    """The function gets the name of the sink, for each of these."""
    def registered(function):
        for sink in sinks:
            effect(f"{sink}.{option}")(lambda sink=sink: function(sink))
        return function
    return registered


SIGNED_BY_NOBODY = ("http", "webhook", "loki", "otlp") # cloudwatch has a signature instead


@every("headers", SIGNED_BY_NOBODY)
def headers_are_sent(sink):
    check(request(sink, "headers=X-Some=thing").headers.get("x-some") == "thing", "not sent")


@every("user", SIGNED_BY_NOBODY)
@every("password", SIGNED_BY_NOBODY)
def user_and_password_are_sent(sink):
    check(request(sink, "user=me&password=pw").user() == "me:pw", "not sent")


@every("token", SIGNED_BY_NOBODY)
def the_token_is_sent(sink):
    check(request(sink, "token=t0k").headers.get("authorization") == "Bearer t0k", "not sent")


@every("compression", SIGNED_BY_NOBODY)
def bodies_are_packed(sink):
    q = request(sink, "compression=gzip")
    check(q.headers.get("content-encoding") == "gzip" and b"load" in q.body, "not packed")


@every("redirects_max", SIGNED_BY_NOBODY)
def redirects_are_followed(sink):
    def answer(q):
        return "HTTP/1.1 200 OK" if "/elsewhere" in q.line else "HTTP/1.1 307 There\r\nLocation: /elsewhere"
    with Server(answer) as server:
        text = uri(sink, f"127.0.0.1:{server.port}", "")
        check(outcomes(text) != ["delivered"] and len(server.requests) == 1, "followed without being asked to")
        check(outcomes(text + "redirects_max=1") == ["delivered"], "not followed")


@every("user_agent")
def the_program_has_a_name(sink):
    check(request(sink, "user_agent=me/1").headers.get("user-agent") == "me/1", "another name")


@every("proxy")
def requests_go_through_a_proxy(sink):
    with Server() as proxy:
        text = uri(sink, "nowhere.invalid:80", f"proxy=http://127.0.0.1:{proxy.port}")
        check(outcomes(text) == ["delivered"], "not through the proxy")
        check("http://nowhere.invalid" in proxy.requests[0].line, proxy.requests[0].line)


@every("proxy_user")
@every("proxy_password")
def the_proxy_is_told_who_asks(sink):
    with Server() as proxy:
        text = uri(sink, "nowhere.invalid:80", f"proxy=http://127.0.0.1:{proxy.port}&proxy_user=me&proxy_password=pw")
        check(outcomes(text) == ["delivered"], "not through the proxy")
        said = proxy.requests[0].headers.get("proxy-authorization")
        check(said == "Basic " + base64.b64encode(b"me:pw").decode(), f"{said}")


@every("unix_socket")
def requests_go_to_a_unix_socket(sink):
    with Place() as place:
        path = os.path.join(place.path, "socket")
        with Server(path=path) as server:
            check(outcomes(uri(sink, "nowhere.invalid", f"unix_socket={path}"), place) == ["delivered"], "not there")
            check(server.requests[0].headers["host"].startswith("nowhere.invalid"), "host")


@every("tls_ca_file")
@every("tls_verify")
def servers_are_trusted_by_their_ca_or_blindly(sink):
    with Server(context=certificates().context()) as server:
        host = f"127.0.0.1:{server.port}"
        check(outcomes(uri(sink, host, "", tls=True)) != ["delivered"], "an unknown server was trusted")
        check(outcomes(uri(sink, host, "tls_verify=false", tls=True)) == ["delivered"], "tls_verify")
        ca = f"tls_ca_file={certificates().path('ca.pem')}"
        check(outcomes(uri(sink, host, ca, tls=True)) == ["delivered"], "tls_ca_file")


@every("tls_cert_file")
@every("tls_key_file")
def the_client_has_a_certificate(sink):
    c = certificates()
    with Server(context=c.context(wants_client=True)) as server:
        host, ca = f"127.0.0.1:{server.port}", f"tls_ca_file={c.path('ca.pem')}"
        check(outcomes(uri(sink, host, ca, tls=True)) != ["delivered"], "without a certificate")
        pair = f"{ca}&tls_cert_file={c.path('client.pem')}&tls_key_file={c.path('client.key')}"
        check(outcomes(uri(sink, host, pair, tls=True)) == ["delivered"], "with it")


@every("envelope", ("webhook", "loki", "cloudwatch"))
def records_have_the_envelope_around_them(sink):
    check(b"schema_version" not in request(sink, "").body, "without being asked for")
    check(b"schema_version" in request(sink, "envelope=true").body, "not there")


@effect("http.endpoint", "webhook.endpoint", "loki.url", "otlp.endpoint")
def the_url_is_an_option():
    for sink, (_, option) in SINKS.items():
        with Server() as server:
            more = "&protocol=http" if sink == "otlp" else "&region=x" if sink == "cloudwatch" else ""
            check(outcomes(f"{sink}:?{option}=http://127.0.0.1:{server.port}/at{more}") == ["delivered"], sink)
            check(len(server.requests) == 1, sink)


@effect("otlp.path")
def the_path_is_an_option():
    with Server() as server:
        text = f"otlp+http://127.0.0.1:{server.port}/?path=/in/logs"
        check(outcomes(text) == ["delivered"] and "/in/logs" in server.requests[0].line, server.requests[0].line)


@effect("cloudwatch.region", "cloudwatch.log_group_name", "cloudwatch.log_stream_name")
def region_group_and_stream_are_options():
    with Server() as server:
        check(outcomes(f"cloudwatch:?endpoint_url=http://127.0.0.1:{server.port}&region=eu-south-9&log_group_name=my-group&"
                       "log_stream_name=my-stream", env={"AWS_REGION": "us-east-1"}) == ["delivered"], "delivered")
        q = server.requests[-1]
        body = json.loads(q.body)
        check("/eu-south-9/logs/" in q.headers["authorization"], q.headers["authorization"])
        check((body["logGroupName"], body["logStreamName"]) == ("my-group", "my-stream"), str(body)[:200])


@effect("cloudwatch.profile")
def the_profile_has_the_credentials():
    with Place() as place:
        path = place.file("credentials")
        with open(path, "w") as f:
            f.write("[default]\naws_access_key_id=ONE\naws_secret_access_key=x\n"
                    "[other]\naws_access_key_id=TWO\naws_secret_access_key=y\n")
        env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": path}
        check("Credential=TWO/" in request("cloudwatch", "profile=other", env=env).headers["authorization"], "another one's")


if __name__ == "__main__":
    sys.exit(main())
