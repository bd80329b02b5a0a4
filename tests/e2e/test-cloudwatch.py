#!/usr/bin/env python3
"""cloudwatch: events in moto read back by boto3, and signatures compared with botocore's."""
import json
import os
import subprocess
import sys

from receiver import PYTHON_ENV, Receiver, Skip, check_outcomes, free_port, harness, run, send, wait_http
from faultproxy import FaultProxy

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "a+token/of=session",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


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


def signatures_are_botocores():
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError as e:
        raise Skip("botocore is not installed; tests/servers/install moto") from e
    receiver = Receiver()
    try:
        with harness.Place() as place:
            uri = f"cloudwatch://eu-west-1/group/stream?endpoint_url=http://127.0.0.1:{receiver.port}"
            check_outcomes(send(place, uri, 5, 5, env=KEYS), "delivered", uri)
        (headers, body), = receiver.requests
        signed = ["Content-Type", "Host", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Target"]
        lower = {k.lower(): v for k, v in headers.items()}
        request = AWSRequest("POST", f"http://127.0.0.1:{receiver.port}/", data=body,
                             headers={n: lower[n.lower()] for n in signed})
        request.context["timestamp"] = lower["x-amz-date"]
        keys = Credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], KEYS["AWS_SESSION_TOKEN"])
        auth = SigV4Auth(keys, "logs", "eu-west-1")
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        harness.check(lower["authorization"].endswith("Signature=" + expected), lower["authorization"])
    finally:
        receiver.close()


if __name__ == "__main__":
    sys.exit(run([group_and_stream_are_made_and_events_read_back, the_collector_delivers_through_faults,
                  signatures_are_botocores]))
