"""Faults that must be found: the checks' own test."""

import shutil
import tempfile
from pathlib import Path

from . import CHECKS, run
from .common import Files

# Check, file, what is there, what is put in its place, and a word of what must be said.
# fmt: off
BROKEN = [
    ("settings", "services/kit/src/config.rs", "    pub concurrency: usize,",
     "    pub concurrency: usize,\n    pub colour: u64,", "limits.colour is missing"),
    ("settings", "deploy/compose/dualwheel.toml", "migrate = false", "migrates = false", "state.migrates"),
    ("settings", "deploy/dualwheel.toml", "[endpoints]", "[endpoints", "is no TOML"),
    ("settings", "deploy/compose/compose.yaml", "DUALWHEEL_REDIS__URL", "DUALWHEEL_REDIS_URL", "DUALWHEEL_REDIS_URL"),
    ("settings", "deploy/OPERATIONS.md", "`limits.concurrency`", "`limits.concurency`", "limits.concurency"),
    ("image", "deploy/Dockerfile", "USER 65532:65532", "USER root", "other than root"),
    ("image", "deploy/Dockerfile", "cargo build --release --locked", "cd /build && cargo build --release", "DL3003"),
    ("image", "deploy/Dockerfile", "rust:1.95.0-", "rust:1.70.0-", "must build with Rust"),
    ("image", ".dockerignore", "!proto\n", "", "keeps out proto"),
    ("composition", "deploy/compose/compose.yaml", "cap_drop: [ALL]", "cap_drop: []", "keeps capabilities"),
    ("composition", "deploy/compose/compose.yaml", '"127.0.0.1:3000:3000"', '"3000:3000"', "open to other machines"),
    ("composition", "deploy/compose/compose.yaml", "restart: unless-stopped", "restarts: unless-stopped", "restarts"),
    ("composition", "deploy/compose/compose.yaml", "service_completed_successfully", "service_done", "service_done"),
    ("composition", "deploy/compose/compose.yaml", "file: ./collector.yaml", "file: ./collectors.yaml",
     "collectors.yaml does not exist"),
    ("composition", "deploy/compose/compose.yaml",
     "  GF_SECURITY_ADMIN_PASSWORD: ${GRAFANA_PASSWORD:?set it in .env}", "  GF_SECURITY_ADMIN_PASSWORD: admin",
     "written into the file"),
    ("composition", "deploy/compose/.env.example", "REDIS_PASSWORD=", "REDIS=", "REDIS_PASSWORD is missing"),
    ("composition", "deploy/compose/compose.yaml", "  pull_policy: never",
     "  build: {context: ../.., dockerfile: deploy/Dockerfile}\n  pull_policy: never", "is built by 6 services"),
    ("composition", "deploy/compose/compose.yaml", "pull_policy: never", "pull_policy: missing", "may pull"),
    ("composition", "deploy/compose/prometheus.yaml", "content:9464", "contents:9464", "contents:9464 is no service"),
    ("composition", "deploy/compose/collector.yaml", "exporters: [debug]", "exporters: [jaeger]", "jaeger"),
    ("dashboards", "deploy/dashboards/mesh.json", "dualwheel_calls_active", "dualwheel_calls_alive",
     "dualwheel_calls_alive is no metric"),
    ("dashboards", "deploy/dashboards/lake.json", '\\"failed\\"', '\\"failed\\"}', "is no PromQL"),
    ("dashboards", "deploy/dashboards/state.json", "sum by (kind)", "sum by (reason)",
     "dualwheel_audit_entries_total has no label reason"),
    ("dashboards", "deploy/dashboards/state.json", '"uid": "${datasource}"', '"uid": "prometheus"',
     "data source of its own"),
    ("dashboards", "deploy/dashboards/lake.json", '"dualwheel-lake"', '"dualwheel-mesh"',
     "2 dashboards have the uid"),
    ("dashboards", "deploy/dashboards/lake.json", '"schemaVersion"', "schemaVersion", "is no JSON"),
    ("alerts", "deploy/alerts/dualwheel.yaml", "#dualwheelredisdown", "#redis", "no heading #redis"),
    ("alerts", "deploy/alerts/dualwheel.yaml", "dualwheel_redis_up{", "redis_up{", "redis_up is no metric"),
    ("alerts", "deploy/alerts/dualwheel.yaml", "> 14.4 * 0.001", "> 14.4 *", "is no PromQL"),
    ("alerts", "deploy/alerts/dualwheel.yaml", "severity: info", "severity: low", "has no severity"),
    ("alerts", "deploy/alerts/dualwheel.yaml", 'reason="OVERLOADED"', 'reason="OVERLOAD"', "OVERLOAD is no reason"),
    ("alerts", "deploy/OPERATIONS.md", "### DualwheelOverloaded", "### Overloaded",
     "no heading #dualwheeloverloaded"),
    ("guide", "deploy/OPERATIONS.md", "#### STORAGE_FULL", "#### STORAGE_IS_FULL", "STORAGE_FULL has no heading"),
    ("guide", "proto/dualwheel/type/v1/error_reason.proto", "  ERROR_REASON_UNSPECIFIED = 0",
     "  ERROR_REASON_ODD = 999;\n  ERROR_REASON_UNSPECIFIED = 0", "ODD has no heading"),
    ("guide", "deploy/OPERATIONS.md", "(#restore)", "(#restoring)", "leads to no heading"),
    ("guide", "deploy/OPERATIONS.md", "tls: {enabled: true}", "tls: {enable: true}", "values are refused"),
    ("guide", "deploy/OPERATIONS.md", "serverAuth,clientAuth", "codeSigning", "tls.crt does not hold"),
    ("guide", "deploy/OPERATIONS.md", "tail -c 32", "tail -c 31", "no Ed25519 key"),
    ("guide", "deploy/OPERATIONS.md", "For those who run Dualwheel: ", "For those who run Dualwheel, and nobody else: ",
     "characters"),
    ("chart", "deploy/chart/dualwheel/templates/deployment.yaml", "{type: Recreate}", "{type: RollingUpdate}",
     "could run twice"),
    ("chart", "deploy/chart/dualwheel/templates/deployment.yaml", "revisionHistoryLimit", "revisionsLimit",
     "refuses it"),
    ("chart", "deploy/chart/dualwheel/templates/deployment.yaml", "{{- end }}\n{{- end }}\n", "{{- end }}\n",
     "unexpected EOF"),
    ("chart", "deploy/chart/dualwheel/templates/deployment.yaml", "add 15", "add 0", "killed before it has drained"),
    ("chart", "deploy/chart/dualwheel/templates/deployment.yaml", "DUALWHEEL_REDIS__URL", "DUALWHEEL_REDIS",
     "DUALWHEEL_REDIS sets nothing"),
    ("chart", "deploy/chart/dualwheel/templates/_helpers.tpl", "readOnlyRootFilesystem: true",
     "readOnlyRootFilesystem: false", "not read-only"),
    ("chart", "deploy/chart/dualwheel/templates/_helpers.tpl", "grpc: {port: 7650}", "grpc: {port: 7651}",
     "does not ask grpc.health.v1"),
    ("chart", "deploy/chart/dualwheel/templates/configmap.yaml", "migrate = false", "migrate = true",
     "services would migrate"),
    ("chart", "deploy/chart/dualwheel/templates/configmap.yaml", "client_ca =", "client_cas =", "tls.client_cas"),
    ("chart", "deploy/chart/dualwheel/templates/configmap.yaml", "    definitions =", "    data_definitions =",
     "definitions are not as the values say"),
    ("chart", "deploy/chart/dualwheel/templates/deployment.yaml", ", subPath: definitions", "",
     "definitions are not those of the values"),
    ("chart", "deploy/chart/dualwheel/templates/deployment.yaml", "(default 0 $deadlines.unready_ms)", "0",
     "killed before it has drained"),
    ("chart", "deploy/chart/dualwheel/templates/migrate.yaml", ".Values.extraVolumes ", ".Values.extraVolume ",
     "lacks volumes of the values"),
    ("chart", "deploy/chart/dualwheel/templates/configmap.yaml", "{{- fail ", "{{- print ",
     "takes values that it must refuse"),
    ("chart", "deploy/chart/dualwheel/templates/migrate.yaml", "restartPolicy: Never",
     "restartPolicy: Never\n      serviceAccountName: dualwheel", "before its ServiceAccount"),
    ("chart", "deploy/chart/dualwheel/templates/networkpolicy.yaml",
     "app.kubernetes.io/component: diagnosis\n  policyTypes: [Egress]",
     "app.kubernetes.io/component: product\n  policyTypes: [Egress]", "dualwheel-diagnosis may not call"),
    ("chart", "deploy/chart/dualwheel/templates/service.yaml", "clusterIP: None", "type: ClusterIP", "not headless"),
    ("chart", "deploy/chart/dualwheel/templates/service.yaml", "targetPort: grpc", "targetPort: rpc",
     "leads nowhere"),
    ("chart", "deploy/chart/dualwheel/templates/prometheusrule.yaml", "nindent 2",
     'replace "job=" "jobs=" | nindent 2', "not those of alerts/"),
    ("chart", "deploy/chart/dualwheel/values.yaml", "pullPolicy: IfNotPresent", "pullPolicy: Sometimes", "Sometimes"),
    ("chart", "deploy/chart/dualwheel/values.yaml", "# Tenant of calls", "colour: red\n# Tenant of calls", "colour"),
    ("chart", "deploy/chart/dualwheel/values.schema.json",
     '            "connections": {"type": "integer", "minimum": 1},\n', "", "limits.connections cannot be set"),
    ("chart", "deploy/chart/dualwheel/values.schema.json", "^(http://.+)?$", "^(https?://.+)?$", "must refuse"),
    ("chart", "deploy/chart/dualwheel/values.schema.json", '"replicas": {"maximum": 1}', '"replicas": {"maximum": 9}',
     "must refuse"),
]
# fmt: on

# What the checks read besides deploy/.
BESIDES = [".dockerignore", ".gitignore", "Cargo.toml", "rust-toolchain.toml", "services/kit/src", "proto/dualwheel/type/v1"]


def self_test(root):
    """Breaks copies, each in one way, and tells which faults were not found."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        shutil.copytree(
            root / "deploy", whole / "deploy", symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".env")
        )
        for path in BESIDES:
            target = whole / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (root / path).is_dir() else shutil.copy)(root / path, target)
        for name in CHECKS:
            files = Files(whole)
            run(name, files)
            for fault in files.faults:
                missed += 1
                print(f"unbroken, yet {name} says: {fault}")
        for number, (name, path, old, new, word) in enumerate(BROKEN):
            broken = Path(folder) / str(number)
            shutil.copytree(whole, broken, symlinks=True)
            text = (broken / path).read_text()
            if old not in text:
                missed += 1
                print(f"{path}: there is no {old!r} to break")
                continue
            (broken / path).write_text(text.replace(old, new))
            files = Files(broken)
            run(name, files)
            if not any(word in fault for fault in files.faults):
                missed += 1
                print(f"{path}: {old!r} -> {new!r} was not found; {name} says {files.faults}")
            shutil.rmtree(broken)
        # programs that refuse everything
        refusing = Path(folder) / "refusing"
        refusing.write_text("#!/bin/sh\nexit 64\n")
        refusing.chmod(0o755)
        for name, program, word in (("settings", "dualwheel", "refuses it"), ("alerts", "promtool", "promtool test rules")):
            files = Files(whole, **{program: refusing})
            run(name, files)
            if not any(word in fault for fault in files.faults):
                missed += 1
                print(f"{name} does not heed {program}; it says {files.faults}")
    print(f"self-test: {len(BROKEN) + 2} faults, {missed} missed")
    return missed == 0
