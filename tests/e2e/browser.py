"""A headless Chromium that a test steers over WebDriver: no more of the protocol than is needed."""
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from harness import check, wait_for
from loopback import free_port

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         "--window-size=1280,900"]


def missing():
    """The program that is not installed, or None."""
    return next((p for p in ("chromium", "chromedriver") if not shutil.which(p)), None)


class Browser:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="fapilog-browser-")
        self.base = f"http://127.0.0.1:{free_port()}"
        env = {**os.environ, "HOME": self.dir, "no_proxy": "*"}
        self.driver = subprocess.Popen(["chromedriver", "--port=" + self.base.rsplit(":", 1)[1]], env=env,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        self.session = None
        try:
            self.begin()
        except BaseException:
            self.close()
            raise

    def begin(self):
        def is_up():
            check(self.driver.poll() is None, "chromedriver has ended")
            try:
                return self.command("GET", "/status")["ready"]
            except OSError:
                return False
        wait_for("chromedriver answers", is_up, 60)
        options = {"args": FLAGS + ["--user-data-dir=" + self.dir], "binary": shutil.which("chromium")}
        answer = self.command("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = "/session/" + answer["sessionId"]

    def command(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=json.dumps(body).encode() if body is not None else None)
        try:
            with self.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            check(False, f"{method} {path}: {e.read()[:500]}")

    def go(self, url):
        self.command("POST", self.session + "/url", {"url": url})

    def run(self, script):
        return self.command("POST", self.session + "/execute/sync", {"script": script, "args": []})

    def text(self, selector):
        return self.run(f"return document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def complaints(self):
        """What the console of the browser has to say about the page."""
        return [m["message"] for m in self.command("POST", self.session + "/se/log", {"type": "browser"})]

    def resize(self, width, height):
        self.command("POST", self.session + "/window/rect", {"width": width, "height": height})

    def screenshot(self):
        return self.command("GET", self.session + "/screenshot")

    def close(self):
        try:
            if self.session:
                self.command("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
