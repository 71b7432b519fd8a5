# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The centre's HTTP server over real sockets, and its pages in a real browser."""

import base64
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import chromium  # noqa: E402
import prometheus as support  # noqa: E402

TOKEN = "a-token-of-24-characters"
SHOTS = os.environ.get("POSTURE_SHOTS")  # a folder: screenshots are kept there to be looked at


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    with support.Centre(tmp_path_factory.mktemp("centre"), "nation", "--now") as centre:
        yield centre


@pytest.fixture(scope="module")
def browser():
    with chromium.Chromium() as browser:
        yield browser


PAGES = ["/", "/area/local-government", "/agency/waterways", "/agency/town-kawabe", "/criterion/crypto.tls"]


@pytest.mark.parametrize("path,status,kind", [
    ("/", 200, "text/html; charset=utf-8"),
    ("/area/business", 200, "text/html; charset=utf-8"),
    ("/agency/records", 200, "text/html; charset=utf-8"),
    ("/criterion/crypto.certificates", 200, "text/html; charset=utf-8"),
    ("/evaluations.json", 200, "application/json"),
    ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
    ("/metrics/public", 200, "text/plain; version=0.0.4; charset=utf-8"),
    ("/healthz", 200, "text/plain; charset=utf-8"),
    ("/agency/nobody", 404, "text/html; charset=utf-8"),
    ("/agency/", 404, "text/html; charset=utf-8"),
    ("/agency/records/..", 404, "text/html; charset=utf-8"),
    ("/agency/%2e%2e%2f%00x", 404, "text/html; charset=utf-8"),
    ("/criterion/%3Cscript%3E", 404, "text/html; charset=utf-8"),
    ("/metrics/", 404, "text/html; charset=utf-8"),
    ("/nothing", 404, "text/html; charset=utf-8"),
])
def test_routes_and_headers(centre, path, status, kind):
    reply = centre.get(path)
    assert (reply.status, reply.headers["Content-Type"]) == (status, kind)
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "unsafe" not in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert "script" not in reply.text.lower() or kind.startswith("application/json")


def test_the_model_is_served_as_it_came(centre):
    served = json.loads(centre.get("/evaluations.json").text)
    filed = json.loads((support.FIXTURES / "nation.json").read_text(encoding="utf-8"))
    assert served["schema"] == "posture.nation/1"
    assert served["registry"] == filed["registry"]
    assert [e["id"] for e in served["evaluations"]] == [e["id"] for e in filed["evaluations"]]


@pytest.mark.parametrize("path,headers,lang", [
    ("/", {}, "en"),
    ("/", {"Accept-Language": "ja,en;q=0.8"}, "ja"),
    ("/?lang=en", {"Accept-Language": "ja"}, "en"),
    ("/?lang=ja", {"Accept-Language": "en"}, "ja"),
    ("/?lang=xx", {"Accept-Language": "ja"}, "ja"),
    ("/agency/records?lang=ja", {}, "ja"),
])
def test_language(centre, path, headers, lang):
    reply = centre.get(path, headers)
    assert f'<html lang="{lang}">' in reply.text
    assert reply.headers["Vary"] == "Accept-Language"


def test_tags_spare_the_body(centre):
    first = centre.get("/metrics")
    tag = first.headers["ETag"]
    again = centre.get("/metrics", {"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"") and again.headers["ETag"] == tag
    assert centre.get("/metrics", {"If-None-Match": '"x"'}).status == 200
    assert centre.get("/metrics", {"Accept": "application/openmetrics-text"}).headers["ETag"] != tag


def test_head_and_other_methods(centre):
    whole = centre.get("/metrics")
    head = centre.get("/metrics", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(whole.body)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        reply = centre.get("/", method=method, data=b"x" if method == "POST" else None)
        assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


def test_other_host_names_are_refused(centre):
    """A page of another site must not read this one under a name of its own (DNS rebinding)."""
    assert centre.get("/metrics", {"Host": "evil.example:9475"}).status == 421
    assert centre.get("/metrics", {"Host": "localhost"}).status == 200


def test_before_the_first_publish(tmp_path):
    broken = tmp_path / "nation.json"
    broken.write_text('{"schema":"posture.report/1"}')
    with support.Centre(tmp_path, broken) as centre:
        page = centre.get("/")
        assert page.status == 503 and page.headers["Retry-After"] == "5"
        assert "first evaluation" in page.text and 'http-equiv="refresh"' in page.text
        assert centre.get("/metrics").status == 503
        assert centre.get("/healthz").status == 503
        # and it recovers without restart
        broken.write_bytes((support.FIXTURES / "quickstart.json").read_bytes())
        centre.publish()
        assert centre.get("/").status == 200
        # the file's time is long past: not healthy, and the page says so
        assert centre.get("/healthz").status == 503
        assert 'role="alert"' in centre.get("/").text


def test_publish_replaces_everything(tmp_path):
    nation = tmp_path / "nation.json"
    nation.write_bytes((support.FIXTURES / "quickstart.json").read_bytes())
    with support.Centre(tmp_path, nation, "--now") as centre:
        first = centre.get("/")
        assert "Agency with legacy servers" in first.text
        assert centre.get("/healthz").status == 200
        nation.write_bytes((support.FIXTURES / "nation.json").read_bytes())
        centre.publish()
        second = centre.get("/", {"If-None-Match": first.headers["ETag"]})
        assert second.status == 200 and "Ministry of Waterways" in second.text
        assert centre.get("/agency/legacy").status == 404
        # a document that is refused leaves the last one in place
        nation.write_text('{"schema":"posture.nation/2"}')
        centre.process.send_signal(1)
        time.sleep(0.3)
        assert "Ministry of Waterways" in centre.get("/").text


@pytest.mark.parametrize("options,want", [
    (["--listen", "0.0.0.0:0"], "needs TLS"),
    (["--listen", "[::]:0", "--token-file", "TOKEN"], "needs TLS"),
    (["--listen", "nowhere:1"], "expected"),
    (["--token-file", "SHORT"], "16 to 512"),
    (["--cert", "CERT", "--key", "TOKEN"], "valid PEM"),
])
def test_settings_are_refused_with_a_reason(tmp_path, options, want):
    (tmp_path / "TOKEN").write_text(TOKEN + "\n")
    (tmp_path / "SHORT").write_text("short\n")
    (tmp_path / "CERT").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    options = [str(tmp_path / o) if o.isupper() else o for o in options]
    done = subprocess.run([support.BUILD / "plugins/posture_criteria/nation_serve",
                           support.FIXTURES / "empty.json", *options], capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
    assert want in done.stderr.decode() and TOKEN not in done.stderr.decode()


def test_a_port_in_use_is_named(centre, tmp_path):
    with pytest.raises(AssertionError, match="Address already in use"):
        support.Centre(tmp_path, "empty", "--listen", centre.target)


def test_token(tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    with support.Centre(tmp_path, "quickstart", "--now", "--token-file", tmp_path / "token") as centre:
        refused = centre.get("/")
        assert refused.status == 401
        assert {"Bearer", "Basic"} == {v.split()[0] for v in refused.headers.get_all("WWW-Authenticate")}
        assert centre.get("/metrics", {"Authorization": "Bearer " + TOKEN[:-1] + "x"}).status == 401
        assert centre.get("/metrics", {"Authorization": "Bearer " + TOKEN}).status == 200
        basic = base64.b64encode(b"noc:" + TOKEN.encode()).decode()
        assert centre.get("/", {"Authorization": "Basic " + basic}).status == 200
        assert centre.get("/healthz").status == 200
        # with a token any name may be used: a stranger's page does not have it
        assert centre.get("/healthz", {"Host": "noc.example"}).status == 200


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, a server certificate for ::1, a client's, and a client's of another CA."""
    folder = tmp_path_factory.mktemp("pki")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    for name, ca, usage in (("server", "ca", "serverAuth"), ("client", "ca", "clientAuth"),
                            ("stranger", "other", "clientAuth"), ("misused", "ca", "serverAuth")):
        (folder / f"{name}.ext").write_text(f"subjectAltName=IP:::1\nextendedKeyUsage={usage}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-days", "2",
                "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return folder


def context_for(folder, client=None):
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if client:
        context.load_cert_chain(str(folder / f"{client}.pem"), str(folder / f"{client}.key"))
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_with_client_certificates(certificates, tmp_path):
    with support.Centre(tmp_path, "quickstart", "--now", "--listen", "[::]:0", "--cert", certificates / "server.pem",
                        "--key", certificates / "server.key", "--client-ca", certificates / "ca.pem",
                        scheme="https") as centre:
        good = centre.get("/", context=context_for(certificates, "client"))
        assert good.status == 200 and good.headers["Strict-Transport-Security"]
        for client in (None, "stranger", "misused"):
            try:
                status = centre.get("/metrics", context=context_for(certificates, client)).status
            except OSError:  # ended in the handshake
                status = 403
            assert status == 403, client
        old = context_for(certificates, "client")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError):
            centre.get("/", context=old)


def test_tls_with_token(certificates, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    with support.Centre(tmp_path, "quickstart", "--now", "--listen", "0.0.0.0:0", "--cert", certificates / "server.pem",
                        "--key", certificates / "server.key", "--token-file", tmp_path / "token",
                        scheme="https") as centre:
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        context.check_hostname = False
        url = f"https://127.0.0.1:{centre.port}/"
        assert support.get(url, context=context).status == 401
        assert support.get(url, {"Authorization": "Bearer " + TOKEN}, context=context).status == 200


def test_slow_and_silent_clients_are_ended(tmp_path):
    """A byte a second must not hold a connection, and the page is served meanwhile."""
    with support.Centre(tmp_path, "quickstart", "--now", "--request-limit", "1") as centre:
        sockets = [socket.create_connection(("::1", centre.port)) for _ in range(8)]
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
        started, ended = time.monotonic(), set()
        for n in range(100):
            for i, s in enumerate(sockets):
                if i in ended:
                    continue
                try:
                    s.send(request[n:n + 1] if n < len(request) else b"x")
                    s.settimeout(0.01)
                    if s.recv(10) == b"":
                        ended.add(i)
                except TimeoutError:
                    pass
                except OSError:
                    ended.add(i)
            if len(ended) == len(sockets):
                break
            assert centre.get("/").status == 200
            time.sleep(0.1)
        assert len(ended) == len(sockets) and time.monotonic() - started < 10
        for s in sockets:
            s.close()


def test_more_connections_than_allowed(tmp_path):
    """200 idle connections at 128 allowed: those above wait or end; nothing else breaks, and it recovers."""
    with support.Centre(tmp_path, "quickstart", "--now", "--request-limit", "2") as centre:
        sockets = [socket.create_connection(("::1", centre.port)) for _ in range(200)]
        support.wait_for(lambda: quick(centre), 20, "served again")
        for s in sockets:
            s.close()
        assert centre.get("/").status == 200


def quick(centre):
    try:
        return support.get(centre.url + "/healthz").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("raw", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"GET\r\n\r\n", b"\0" * 4096, b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: " + b'"' * 3000 + b"\r\nAuthorization: Basic \xff\r\n\r\n",
], ids=["hello", "no-path", "zeros", "version", "long-path", "many-headers", "long-body", "odd-headers"])
def test_garbage_leaves_the_server_standing(centre, raw):
    with socket.create_connection(("::1", centre.port)) as s:
        s.settimeout(1)
        try:
            s.sendall(raw)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except OSError:
            pass
    assert centre.get("/healthz").status == 200


def test_many_readers_at_once(centre):
    replies = []

    def read():
        for path in PAGES:
            replies.append(centre.get(path).status)

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [200] * 16 * len(PAGES)


class Outline(HTMLParser):
    """Every element is closed in its order; what is collected is what assistive technology is given."""

    VOID = {"meta", "link", "br", "rect", "line", "path", "circle", "use"}

    def __init__(self):
        super().__init__()
        self.open, self.links, self.ids, self.headings, self.texts = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "a":
            self.links.append(attrs["href"])
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        assert not any(name.startswith("on") or name == "style" for name in attrs), attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open and self.open.pop() == tag, f"</{tag}> in {self.open}"

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize("nation", ["nation", "quickstart", "empty", "hostile"])
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_page_that_is_linked_is_well_formed(tmp_path, nation, lang):
    with support.Centre(tmp_path, nation, "--now") as centre:
        todo, done = [f"/?lang={lang}"], set()
        while todo:
            path = todo.pop()
            if path in done:
                continue
            done.add(path)
            reply = centre.get(path)
            assert reply.status == 200, path
            if not reply.headers["Content-Type"].startswith("text/html"):
                continue
            outline = Outline()
            outline.feed(reply.text)
            outline.close()
            assert outline.open == [], path
            assert len(outline.ids) == len(set(outline.ids)), path
            assert outline.headings[:1] == [1] and outline.headings.count(1) == 1, path
            todo += [link for link in outline.links if link.startswith("/") and ("lang=" + lang in link or "?" not in link)]
        want = {"nation": 1 + 5 + 12 + 4, "quickstart": 1 + 2 + 2 + 4, "empty": 1, "hostile": 1 + 1 + 2 + 4}[nation]
        assert len([p for p in done if "?lang" in p]) == want


OVERFLOW = """(() => { const w = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > w) return ['page ' + document.documentElement.scrollWidth];
  return [...document.querySelectorAll('main *, header *, footer *')].filter(e => {
    const r = e.getBoundingClientRect(); const s = getComputedStyle(e);
    return r.width && s.clipPath === 'none' && !e.closest('.vh, .defs, svg, thead') && (r.right > w + 1 || r.left < -1)
  }).slice(0, 5).map(e => e.className + ' ' + e.textContent.slice(0, 60)) })()"""

CONTRAST = """(() => { const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const lum = c => { const f = c.slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 });
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2] };
  const back = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c } return [255, 255, 255] };
  const bad = []; let n = 0;
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(t => t.nodeType === 3 && t.textContent.trim())) continue;
    if (e.closest('.vh, .skip, style, svg')) continue;
    const s = getComputedStyle(e), a = lum(parse(s.color)), b = lum(back(e)); n++;
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const large = parseFloat(s.fontSize) >= 24 || (parseFloat(s.fontSize) >= 18.66 && s.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push(e.textContent.slice(0, 40) + ' ' + ratio.toFixed(2)) }
  return {n, bad: bad.slice(0, 8)} })()"""


@pytest.mark.parametrize("width,height,dark,mobile", [
    (360, 800, False, True), (390, 844, True, True), (768, 1024, False, False), (1280, 800, True, False),
    (1920, 1080, False, False), (1920, 1080, True, False), (3840, 2160, True, False),
], ids=lambda v: str(v))
def test_pages_in_a_browser(browser, centre, width, height, dark, mobile):
    browser.screen(width, height, dark, mobile)
    for path in PAGES:
        for lang in ("ja", "en"):
            browser.open(f"{centre.url}{path}?lang={lang}")
            assert browser.complaints() == [], path
            assert [r for r in browser.requests() if not r.startswith((centre.url, "data:"))] == []
            assert browser.evaluate(OVERFLOW) == [], f"{path} {lang} at {width}"
            contrast = browser.evaluate(CONTRAST)
            assert contrast["n"] > 20 and contrast["bad"] == [], f"{path} {lang}"
            if SHOTS:
                name = f"{path.strip('/').replace('/', '-') or 'overview'}-{lang}-{width}{'-dark' if dark else ''}.png"
                browser.screenshot(pathlib.Path(SHOTS) / name)


def test_the_wall_shows_the_nation_without_scrolling(browser, centre):
    browser.screen(1920, 1080)
    browser.open(centre.url + "/?lang=ja")
    bottom = browser.evaluate("document.querySelector('.matrix table').getBoundingClientRect().bottom")
    assert bottom <= 1080
    rows = browser.evaluate("[...document.querySelectorAll('.matrix tbody tr')].length")
    assert rows == 12 + 5
    # what passes and what is not measured do not look alike: another fill, another symbol
    fills = browser.evaluate("['pass','unknown','stale','missing','warn','fail'].map(n => "
                             "getComputedStyle(document.querySelector('.legend .b-' + n)).fill)")
    assert len(set(fills)) == 6
    assert all("url" in fill for fill in fills[1:5])


def test_the_style_is_applied_under_the_policy(browser, centre):
    browser.screen(1280, 800)
    browser.open(centre.url + "/")
    assert browser.evaluate("getComputedStyle(document.querySelector('.tiles')).display") == "grid"
    # the policy is in force: an inline style that the page did not bring is refused
    browser.evaluate("const s = document.createElement('style'); s.textContent = 'body{display:none}'; "
                     "document.head.append(s); 1")
    assert browser.evaluate("getComputedStyle(document.body).display") == "block"


def test_on_paper(browser, centre):
    browser.screen(800, 1100, dark=True, media="print")
    browser.open(centre.url + "/?lang=ja")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.querySelector('.lang')).display") == "none"
    assert browser.evaluate(CONTRAST)["bad"] == []


def test_hostile_names_do_nothing_in_a_browser(browser, tmp_path):
    with support.Centre(tmp_path, "hostile", "--now") as centre:
        browser.screen(390, 844, mobile=True)
        for path in ("/", "/agency/records", "/agency/waterways", "/criterion/crypto.tls"):
            browser.open(f"{centre.url}{path}?lang=ja")
            assert browser.complaints() == []
            assert browser.evaluate("document.querySelectorAll('script').length") == 0
            assert browser.evaluate(OVERFLOW) == [], path


def test_a_large_nation(tmp_path):
    """2,000 agencies: the overview stays a page that opens at once, and a scrape is quick."""
    nation = tmp_path / "large.json"
    maker = support.SOURCE / "tests/support/nation_make.py"
    with open(nation, "wb") as out:
        subprocess.run([sys.executable, maker, "large", "2000"], stdout=out, check=True)
    with support.Centre(tmp_path, nation, "--now") as centre:
        started = time.monotonic()
        page = centre.get("/")
        first = time.monotonic() - started
        started = time.monotonic()
        assert centre.get("/").status == 200
        again = time.monotonic() - started
        metrics = centre.get("/metrics")
        print(f"overview {len(page.body)} bytes, first {first * 1000:.0f} ms, cached {again * 1000:.1f} ms, "
              f"metrics {len(metrics.body)} bytes")
        assert len(page.body) < 400_000
        assert "/area/local-government" in page.text
        area = centre.get("/area/local-government")
        assert area.status == 200 and area.text.count("/agency/") > 400
        if not os.environ.get("POSTURE_SANITIZE"):
            assert first < 1 and again < 0.1
