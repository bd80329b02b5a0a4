"""What servers on loopback need: free ports, and certificates for localhost."""
import os
import shutil
import socket
import subprocess


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def make_certificates(path):
    """ca.pem, server.pem, client.pem and their keys in a folder, for localhost and 127.0.0.1, valid for two days. False:
    there is no openssl."""
    def openssl(*argv):
        subprocess.run(["openssl", *argv], check=True, capture_output=True, cwd=path, timeout=60)
    if not shutil.which("openssl"):
        return False
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=fapilog test CA", "-keyout", "ca.key", "-out", "ca.pem", "-addext",
            "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
    with open(os.path.join(path, "san"), "w", encoding="utf-8") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out",
                f"{name}.pem", "-extfile", "san")
    return True


def make_flawed_certificates(folder):
    """Of the authority of make_certificates(): expired.pem and other.pem, which is for another host; alone.pem is its own."""
    for name, alt, days in (("expired", "DNS:localhost,IP:127.0.0.1", -1), ("other", "DNS:elsewhere.example", 2)):
        with open(f"{folder}/san", "w", encoding="utf-8") as f:
            f.write(f"subjectAltName={alt}\n")
        subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                        "-days", str(days), "-out", f"{name}.pem", "-extfile", "san"], check=True, capture_output=True,
                       cwd=folder, timeout=60)
    subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-signkey", "server.key", "-days", "2", "-out", "alone.pem"],
                   check=True, capture_output=True, cwd=folder, timeout=60)
