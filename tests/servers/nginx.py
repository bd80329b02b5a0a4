"""nginx on free ports of loopback, plain and over TLS, with the locations that a test asks for. Uses a folder that has
certificates (loopback.make_certificates)."""
import os
import subprocess

from loopback import free_port, is_open

PROGRAM = "/usr/sbin/nginx"
CONFIG = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{}}
http {{
  access_log {dir}/nginx.log; client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};
  uwsgi_temp_path {dir}; scgi_temp_path {dir};
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key;
    ssl_client_certificate {dir}/ca.pem; ssl_verify_client optional;
    {locations}
  }}
}}
"""


class Nginx:
    """`start` is that of a harness.Place, which also ends it; `wait_for` the harness's."""

    def __init__(self, directory, locations, start, wait_for):
        self.plain_port, self.tls_port = free_port(), free_port()
        self.plain, self.tls = f"http://127.0.0.1:{self.plain_port}", f"https://127.0.0.1:{self.tls_port}"
        config = os.path.join(directory, "nginx.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(dir=directory, plain=self.plain_port, tls=self.tls_port, locations=locations))
        os.chmod(directory, 0o755)
        self.process = start([PROGRAM, "-p", directory, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("nginx listens", self.is_listening)

    def is_listening(self):
        if self.process.poll() is not None:
            raise OSError(f"nginx ended with {self.process.returncode}")
        return is_open(self.plain_port) and is_open(self.tls_port)
