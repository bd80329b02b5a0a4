#!/usr/bin/env python3
"""cloudwatch: events in moto read back by boto3, and signatures compared with botocore's."""
import contextlib
import json
import os
import subprocess
import sys

from receiver import PYTHON_ENV, Receiver, Skip, check_outcomes, free_port, harness, run, send, wait_http
from faultproxy import FaultProxy

NOBODY = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "a+token/of=session",
        **NOBODY}


def moto(place):
    env = {**os.environ, **PYTHON_ENV}
    has = subprocess.run([sys.executable, "-c", "import moto.server, boto3"], env=env, capture_output=True, check=False)
    if has.returncode != 0:
        raise Skip("moto is not installed; tests/servers/install moto")
    port = free_port()
    p = place.start([sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)],
                    env=PYTHON_ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_http(f"http://127.0.0.1:{port}/moto-api/", p)
    return port


def events(port, group, stream):
    import boto3
    client = boto3.client("logs", region_name="eu-west-1", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="a",
                          aws_secret_access_key="b")
    return client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=10000)["events"]


def group_and_stream_are_made_and_events_read_back():
    with harness.Place() as place:
        port = moto(place)
        uri = f"cloudwatch://eu-west-1//app/orders/one?endpoint_url=http://127.0.0.1:{port}"
        check_outcomes(send(place, uri, 250, 100, env=KEYS), "delivered", uri)
        got = events(port, "/app/orders", "one")
        harness.check([json.loads(e["message"])["data"]["n"] for e in got] == list(range(250)), f"{len(got)} events")
        old = send(place, uri, 2, 2, 1, 20, 20 * 86400, env=KEYS)
        harness.check(old[0]["rejected"], f"20 days old: {old}")


def the_collector_delivers_through_faults():
    with harness.Place() as place:
        port = moto(place)
        proxy = FaultProxy(port, ["reset", ("cut_answer", 4), ("status", 503), ("cut_request", 50)])
        written = place.load_done("--records", 300)
        place.drain(sink=f"cloudwatch://eu-west-1/orders/two?endpoint_url=http://127.0.0.1:{proxy.port}&batch_size=50"
                         "&retry_base_delay=1ms&retry_max_delay=20ms&batch_interval=10ms&breaker_enabled=false&timeout=5s",
                    env=KEYS)
        proxy.close()
        got = [json.loads(e["message"]) for e in events(port, "orders", "two")]
        numbers = {(e["data"]["thread"], e["data"]["n"]) for e in got if e["message"] == "load"}
        harness.check(len(numbers) == written, f"{len(numbers)} of {written}")


def signers(receiver):
    """Whose keys the requests to the logs were signed with."""
    return {h.get("Authorization", "Credential=none/").split("Credential=")[1].split("/")[0] for h, _ in receiver.requests}


def roles_are_assumed_at_moto():
    """By a web identity, from keys, from a program; what moto's security token service gives is signed with."""
    with harness.Place() as place, contextlib.closing(Receiver()) as receiver:
        port = moto(place)
        token, config = os.path.join(place.path, "token"), os.path.join(place.path, "config")
        with open(token, "w") as f:
            f.write("eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QifQ.\n")
        keys = json.dumps({"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "s3cret"})
        arn = "arn:aws:iam::123456789012:role/logs"
        with open(config, "w") as f:
            f.write(f"[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = s3cret\n"
                    f"[profile logs]\nrole_arn = {arn}\nsource_profile = base\nduration_seconds = 900\n"
                    f"[profile tool]\ncredential_process = printf '%s' '{keys}'\n"
                    f"[profile twice]\nrole_arn = {arn}2\nsource_profile = logs\n"
                    f"[profile pod]\nrole_arn = {arn}\nweb_identity_token_file = {token}\n")
        env = {**NOBODY, "AWS_CONFIG_FILE": config, "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{port}"}
        pod = {"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": arn}
        for options, more, signer in (("&profile=logs", {}, "ASIA"), ("&profile=twice", {}, "ASIA"), ("&profile=pod", {}, "ASIA"),
                                      ("", pod, "ASIA"), ("&profile=tool", {}, "AKIDPROCESS"), ("&profile=base", pod, "AKIDBASE")):
            del receiver.requests[:]
            for endpoint in (port, receiver.port):
                uri = f"cloudwatch://eu-west-1/roles/one?endpoint_url=http://127.0.0.1:{endpoint}{options}"
                check_outcomes(send(place, uri, 3, 3, env={**env, **more}), "delivered", uri)
            who, = signers(receiver)
            harness.check(who.startswith(signer), f"{options} {more}: signed by {who}")
        result, = send(place, f"cloudwatch://eu-west-1/roles/one?endpoint_url=http://127.0.0.1:{port}&profile=logs", 1, 1,
                       env={**env, "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"})
        harness.check(result["outcome"] == "broken" and arn in result["reason"], str(result))


def check_signature(port, request, service, keys, signed):
    """That of a request is what botocore makes of it."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    headers, body = request
    lower = {k.lower(): v for k, v in headers.items()}
    again = AWSRequest("POST", f"http://127.0.0.1:{port}/", data=body, headers={n: lower[n.lower()] for n in signed})
    again.context["timestamp"] = lower["x-amz-date"]
    auth = SigV4Auth(Credentials(*keys), service, "eu-west-1")
    expected = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    harness.check(lower["authorization"].endswith("Signature=" + expected), lower["authorization"])


def signatures_are_botocores():
    try:
        import botocore.auth # pylint: disable=unused-import
    except ImportError as e:
        raise Skip("botocore is not installed; tests/servers/install moto") from e
    keys = KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], KEYS["AWS_SESSION_TOKEN"]
    signed = ["Content-Type", "Host", "X-Amz-Date", "X-Amz-Security-Token"]
    with harness.Place() as place, contextlib.closing(Receiver()) as receiver:
        uri = f"cloudwatch://eu-west-1/group/stream?endpoint_url=http://127.0.0.1:{receiver.port}"
        check_outcomes(send(place, uri, 5, 5, env=KEYS), "delivered", uri)
        config = os.path.join(place.path, "config")
        with open(config, "w") as f:
            f.write("[profile logs]\nrole_arn = arn:aws:iam::1:role/a b\ncredential_source = Environment\n")
        env = {**KEYS, "AWS_CONFIG_FILE": config, "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{receiver.port}"}
        send(place, uri + "&profile=logs", 1, 1, env=env)
        check_signature(receiver.port, receiver.requests[0], "logs", keys, signed + ["X-Amz-Target"])
        check_signature(receiver.port, receiver.requests[1], "sts", keys, signed)


if __name__ == "__main__":
    sys.exit(run([group_and_stream_are_made_and_events_read_back, the_collector_delivers_through_faults,
                  roles_are_assumed_at_moto, signatures_are_botocores]))
