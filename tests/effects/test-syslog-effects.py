#!/usr/bin/env python3
"""What options of the syslog sink for the way to the receiver do."""
import socket
import sys

from effects import Place, Server, certificates, check, effect, main, never, wait_for

QUICK = "batch_interval=10ms&retry_base_delay=10ms&retry_max_delay=50ms&breaker_enabled=false&timeout=1s"


class Receiver(Server):
    """Takes messages over TLS; `requests` has what came of each connection."""

    def _serve(self, peer):
        try:
            with self.context.wrap_socket(peer, server_side=True) as s:
                while data := s.recv(65536):
                    self.requests.append(data)
        except (OSError, ValueError):
            pass


def sent(options, wants_client, arrives):
    with Place() as place, Receiver(context=certificates().context(wants_client)) as receiver:
        c = place.collector("--set", "shutdown_timeout=100ms", sink=f"syslog+tls://127.0.0.1:{receiver.port}?{QUICK}&{options}")
        place.wait_ready(c)
        place.load_done("--records", 1)
        if arrives:
            wait_for(f"a message with {options}", lambda: receiver.requests)
        else:
            never(f"a message with {options}", lambda: receiver.requests)
        c.kill()


@effect("syslog.host")
def messages_go_to_the_host():
    with Place() as place, socket.create_server(("127.0.0.2", 0)) as listener:
        listener.settimeout(20)
        c = place.collector(sink=f"syslog:?transport=tcp&host=127.0.0.2&port={listener.getsockname()[1]}&{QUICK}")
        place.wait_ready(c)
        place.load_done("--records", 1)
        peer, _ = listener.accept()
        check(peer.recv(10), "nothing came")
        peer.close()
        c.kill()


@effect("syslog.tls_ca_file", "syslog.tls_verify")
def servers_are_trusted_by_their_ca_or_blindly():
    sent("", False, False)
    sent("tls_verify=false", False, True)
    sent(f"tls_ca_file={certificates().path('ca.pem')}", False, True)


@effect("syslog.tls_cert_file", "syslog.tls_key_file")
def the_client_has_a_certificate():
    c = certificates()
    sent(f"tls_ca_file={c.path('ca.pem')}", True, False)
    sent(f"tls_ca_file={c.path('ca.pem')}&tls_cert_file={c.path('client.pem')}&tls_key_file={c.path('client.key')}", True, True)


if __name__ == "__main__":
    sys.exit(main())
