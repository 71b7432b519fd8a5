# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The real centre's HTTP server with a file behind it, and a real Prometheus that scrapes it."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("POSTURE_BUILD_DIR", SOURCE / "build/dev"))
FIXTURES = SOURCE / "plugins/posture_criteria/testdata/nation"


def wait_for(what, seconds, why):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{why}: not within {seconds} s")


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode("utf-8", "replace")


def get(url, headers=None, method="GET", context=None, data=None):
    request = urllib.request.Request(url, headers=headers or {}, method=method, data=data)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=20) as answer:
            return Reply(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.headers, error.read())


class Child:
    """A program that tells when it is ready; ended by its own pid."""

    def __init__(self, args, log):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([str(a) for a in args], stdout=subprocess.PIPE, stderr=self.log,
                                        start_new_session=True)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log.close()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Centre(Child):
    """nation_serve: http.c with a posture.nation/1 file."""

    def __init__(self, tmp, nation="nation", *options, scheme="http"):
        path = nation if os.path.sep in str(nation) else FIXTURES / f"{nation}.json"
        self.log_path = pathlib.Path(tmp) / "nation_serve.log"
        super().__init__([BUILD / "plugins/posture_criteria/nation_serve", path, *options], self.log_path)
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r"port (\d+)\n", line)
        if not found:
            self.stop()
            raise AssertionError(f"nation_serve did not start: {line!r} {self.log_path.read_text()}")
        self.port = int(found.group(1))
        self.target = f"[::1]:{self.port}"
        self.url = f"{scheme}://{self.target}"

    def stop(self):
        status = super().stop()
        log = self.log_path.read_text()
        assert status >= 0 and "Sanitizer" not in log and "runtime error" not in log, f"{status}: {log}"
        return status

    def get(self, path, headers=None, **more):
        return get(self.url + path, headers, **more)

    def publish(self):
        self.process.send_signal(signal.SIGHUP)
        assert self.process.stdout.readline() == b"published\n"


class Prometheus(Child):
    """The shipped configuration and rules, at a free port, scraping one centre every second."""

    def __init__(self, tmp, target):
        tmp = pathlib.Path(tmp)
        shipped = SOURCE / "dashboards/prometheus"
        text = (shipped / "prometheus.yml").read_text(encoding="utf-8")
        assert '"[::1]:9475"' in text and "rules/*.yml" in text
        text = text.replace("[::1]:9475", target).replace("rules/*.yml", f"{shipped}/rules/*.yml")
        text = re.sub(r"(scrape_interval|evaluation_interval): \d+s", r"\1: 1s", text)
        config = tmp / "prometheus.yml"
        config.write_text(text, encoding="utf-8")
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://[::1]:{self.port}"
        super().__init__(["/usr/bin/prometheus", f"--config.file={config}",
                          f"--storage.tsdb.path={tmp / 'tsdb'}", f"--web.listen-address=[::1]:{self.port}",
                          "--log.level=warn"], tmp / "prometheus.log")
        wait_for(self.is_ready, 30, "Prometheus is ready")

    def is_ready(self):
        assert self.process.poll() is None, "Prometheus ended"
        try:
            return get(self.url + "/-/ready").status == 200
        except OSError:
            return False

    def query(self, expr, **more):
        """The result of an instant query; an error of Prometheus is an assertion with its text."""
        reply = get(self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": expr, **more}))
        answer = json.loads(reply.text)
        assert answer["status"] == "success", f"{expr}: {answer.get('error')}"
        return answer["data"]["result"]

    def query_range(self, expr, seconds=10, step=1):
        now = time.time()
        reply = get(self.url + "/api/v1/query_range?" + urllib.parse.urlencode(
            {"query": expr, "start": now - seconds, "end": now, "step": step}))
        answer = json.loads(reply.text)
        assert answer["status"] == "success", f"{expr}: {answer.get('error')}"
        return answer["data"]["result"]
