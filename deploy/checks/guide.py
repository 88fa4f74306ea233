"""The guide: reasons, alerts, links, values and commands."""

import base64
import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import helm_python
import yaml

from .chart import quiet
from .common import SERVICES, UniqueKeys

def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def headings(text):
    """The anchors that GitHub makes of headings."""
    anchors = set()
    for title in re.findall(r"^#+ (.+)$", without_code(text), re.M):
        anchors.add(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-"))
    return anchors


def check_guide(files):
    """Every reason has its heading, every link leads somewhere, and the commands that are marked so work."""
    guide, where = files.text("OPERATIONS.md"), "deploy/OPERATIONS.md"
    contract = "proto/dualwheel/type/v1/error_reason.proto"
    reasons = re.findall(r"^  ERROR_REASON_(\w+) = [1-9]", (files.root / contract).read_text(), re.M)
    files.require(len(reasons) > 50, contract, "the reasons cannot be read")
    told = re.findall(r"^#### ([A-Z_]+)\n\n(.+?)\n(?=\n|\Z)", guide, re.M | re.S)
    for reason in sorted(set(reasons) - {name for name, _ in told}):
        files.fault(where, f"{reason} has no heading")
    for name, count in Counter(name for name, _ in told).items():
        files.require(count == 1, where, f"{name} has {count} headings")
        files.require(name in reasons, where, f"{name} is no reason")
    for name, text in told:
        files.require(
            1 <= text.count("\n") + 1 <= 4 and len(text) > 20,
            where,
            f"{name} is told in {text.count(chr(10)) + 1} lines",
        )
    alerts = {
        rule["alert"]
        for group in files.yaml("alerts/dualwheel.yaml")["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    for name in re.findall(r"^### (Dualwheel\w+)$", guide, re.M):
        files.require(name in alerts, where, f"there is no alert {name}")
    for path in sorted(files.deploy.rglob("*.md")):
        text = path.read_text()
        for number, line in enumerate(text.split("\n"), 1):
            files.require(len(line) <= 120, f"{files.name(path)}:{number}", f"has {len(line)} characters")
        for link in re.findall(r"\]\(([^)]+)\)", without_code(text)):
            if link.startswith("https://"):
                continue
            target, _, anchor = link.partition("#")
            other = path.parent / target if target else path
            if files.require(other.exists(), files.name(path), f"{link} leads nowhere") and anchor:
                files.require(anchor in headings(other.read_text()), files.name(path), f"{link} leads to no heading")
        for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S):
            check_values(files, files.name(path), block)
    run_commands(files, where, guide)


def check_values(files, where, block):
    """Values in the guide are values of the chart."""
    try:
        with quiet(), helm_python.Chart.load(files.deploy / "chart/dualwheel") as chart:
            chart.validate_schema(yaml.load(block, Loader=UniqueKeys))
    except (helm_python.HelmError, yaml.YAMLError) as error:
        files.fault(where, f"values are refused: {error}")


def run_commands(files, where, guide):
    """Runs the blocks marked `sh checked` one after another, and looks at the certificates and the token they made."""
    blocks = re.findall(r"^```sh checked\n(.*?)^```$", guide, re.M | re.S)
    files.require(len(blocks) == 2, where, "the commands for certificates and tokens are not marked as checked")
    with tempfile.TemporaryDirectory() as folder:

        def run(*command, text=None):
            return subprocess.run(command, cwd=folder, capture_output=True, text=True, input=text, timeout=60)

        for block in blocks:
            done = run("bash", "-euo", "pipefail", "-c", block)
            if not files.require(done.returncode == 0, where, f"commands fail: {done.stderr.strip()}"):
                return
        for certificate, purpose in (("tls.crt", "sslserver"), ("tls.crt", "sslclient"), ("caller.crt", "sslclient")):
            done = run("openssl", "verify", "-CAfile", "ca.crt", "-purpose", purpose, certificate)
            files.require(done.returncode == 0, where, f"{certificate} does not hold: {done.stderr.strip()}")
        names = run("openssl", "x509", "-in", "tls.crt", "-noout", "-ext", "subjectAltName").stdout
        for service in SERVICES:
            files.require(f"DNS:dualwheel-{service}," in names, where, f"the certificate is not of {service}")

        def part(text):
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

        keys = json.loads((Path(folder) / "jwks.json").read_text())["keys"]
        header, claims, signature = (Path(folder) / "token").read_text().split(".")
        key = next((key for key in keys if key["kid"] == json.loads(part(header))["kid"]), None)
        files.require(
            key and key["kty"] == "OKP" and key["crv"] == "Ed25519" and len(part(key["x"])) == 32,
            where,
            "the JWKS has no Ed25519 key of the token's kid",
        )
        files.require(
            {"sub", "tenant", "brands", "scope", "exp", "aud"} <= set(json.loads(part(claims))),
            where,
            "the token lacks claims",
        )
        (Path(folder) / "raw").write_bytes(bytes.fromhex("302a300506032b6570032100") + part(key["x"]))
        (Path(folder) / "sig").write_bytes(part(signature))
        (Path(folder) / "input").write_text(f"{header}.{claims}")
        done = run(
            "openssl",
            "pkeyutl",
            "-verify",
            "-pubin",
            "-keyform",
            "DER",
            "-inkey",
            "raw",
            "-rawin",
            "-in",
            "input",
            "-sigfile",
            "sig",
        )
        files.require(done.returncode == 0, where, "the token is not signed by the key of the JWKS")
