"""Runs the commands that people run: `cargo xtask deploy --bootstrap` and `cargo xtask destroy`, against a local AWS server.

python commands.py XTASK, the program. The CDK's own command line prepares regions, uploads, deploys and removes; packages are not built but stand-ins.
The server is ministack (MINISTACK names its program), behind a door that takes out of templates what it does not know (`deployed.py` lists it).
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from deployed import Known, Server

ACCOUNT = "123456789012"
HOME, OTHER = "us-east-1", "eu-west-1"
CDK = Path(__file__).resolve().parent.parent
PROGRAMS = ("producer", "stream-processor", "batch-rollup")


def main(xtask: str) -> None:
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        settings, target = Path(folder, "mine.json"), Path(folder, "target")
        write_settings(settings)
        write_packages(target)
        door = Door(server.port)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **{"AWS_ENDPOINT_URL": door.url, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": HOME},
            **{"CARGO_TARGET_DIR": str(target), "CDK_DISABLE_CLI_TELEMETRY": "true"},
        }

        def run(*words, code=0):
            asked = subprocess.run([xtask, *words, "--settings", str(settings)], cwd=CDK.parent, env=environment, text=True, capture_output=True)
            said = asked.stdout + asked.stderr
            assert asked.returncode == code, f"{words} ended with {asked.returncode}, expected {code}:\n{said[-6000:]}"
            return said

        unprepared = run("deploy", "--no-build", "--yes", code=2)
        assert f"bootstrap aws://{ACCOUNT}/{HOME} aws://{ACCOUNT}/{OTHER}" in unprepared, unprepared
        dry = run("deploy", "--bootstrap", "--no-build", "--dry-run")
        assert "would be prepared" in dry and "Number of stacks with differences: 8" in dry, dry[-3000:]
        assert stacks(server, "CDKToolkit") == [], "a dry run makes nothing"
        said = run("deploy", "--bootstrap", "--no-build", "--yes")
        assert "cloudping-observability" in said and "some alarms ring until then" in said, said[-3000:]
        made = stacks(server)
        assert len(made) == 8, made
        left = run("destroy", "--yes")
        assert "left is what cannot be measured again" in left, left
        assert stacks(server) == ["cloudping-state"], stacks(server)
        print(f"{len(made)} stacks were made by `cargo xtask deploy`, and all but one removed by `cargo xtask destroy`")


def write_settings(path):
    settings = json.loads(Path(CDK, "settings.json").read_text())
    settings |= {"account": ACCOUNT, "homeRegion": HOME, "architecture": "x86_64"}
    settings["producers"]["regions"] = [HOME, OTHER]
    settings["serving"]["instance"] = "t3.small"
    path.write_text(json.dumps(settings))


def write_packages(target):
    service = target / "packages/x86_64-lambda/cloudping-query-service"
    service.mkdir(parents=True)
    (service / "bootstrap").write_text("#!/bin/sh\n")
    for program in PROGRAMS:
        with zipfile.ZipFile(target / f"packages/{program}-x86_64.zip", "w") as package:
            package.writestr("bootstrap", "#!/bin/sh\n")


def stacks(server, prefix="cloudping-"):
    """The stacks of such names that are there, in both regions."""
    found = []
    for region in (HOME, OTHER):
        listed = server.client("cloudformation", region, ACCOUNT).describe_stacks()["Stacks"]
        found += [stack["StackName"] for stack in listed if stack["StackStatus"].endswith("_COMPLETE") and "DELETE" not in stack["StackStatus"]]
    return sorted(name for name in found if name.startswith(prefix))


class Door:
    """Passes requests on to the server; the template of a change set becomes one that the server knows."""

    def __init__(self, port):
        self.port, self.known, self.lock = port, Known(), threading.Lock()
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("content-length", "expect", "connection")}
                if b"Action=CreateChangeSet" in body:
                    body = door.change_set(body, headers)
                status, answered, text = door.ask(self.command, self.path, body, headers)
                self.send_response_only(status)
                for name, value in answered:
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def ask(self, method, path, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def change_set(self, body, headers):
        asked = dict(parse_qsl(body.decode(), keep_blank_values=True))
        where = asked.pop("TemplateURL", None)
        if where is not None:
            place = urlsplit(where)
            bucket = place.netloc.split(".s3.")[0]
            path = place.path if bucket == place.netloc else f"/{bucket}{place.path}"
            signed = {"authorization": headers.get("authorization", headers.get("Authorization", "")).replace("/cloudformation/", "/s3/")}
            status, _, text = self.ask("GET", path, None, signed)
            assert status == 200, f"{path}: {status}"
            asked["TemplateBody"] = text.decode()
        if "TemplateBody" in asked:
            with self.lock:
                asked["TemplateBody"] = json.dumps(self.known.of(json.loads(asked["TemplateBody"]))) if asked["TemplateBody"].startswith("{") else asked["TemplateBody"]
        return urlencode(asked).encode()


if __name__ == "__main__":
    main(sys.argv[1])
