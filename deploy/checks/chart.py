"""The Helm chart: its values, and what it renders in several variants."""

import contextlib
import json
import os
import re
import sys
import tomllib

import helm_python
import jsonschema
import yaml

from .common import UniqueKeys, leaves
from .manifests import check_manifests
from .settings import known_settings

# Values by which the chart is rendered.
VARIANTS = {
    "defaults": {},
    "mutual TLS and tokens": {
        "tls": {"enabled": True},
        "auth": {"issuer": "https://id.example.com"},
        "config": {"deadlines": {"drain_ms": 40500, "unready_ms": 20000}},
    },
    "TLS without client certificates": {"tls": {"enabled": True, "mutual": False}},
    "bucket": {
        "storage": {
            "kind": "s3",
            "s3": {
                "url": "s3://bucket/lake",
                "region": "eu-central-1",
                "endpoint": "http://minio:9000",
                "existingSecret": "bucket",
            },
        },
        "telemetry": {"otlpEndpoint": "http://collector:4317"},
        "networkPolicy": {"objectStore": {"port": 9000}},
    },
    "everything off": {
        "fullnameOverride": "dw",
        "auth": {"enabled": False, "allowAnonymous": True},
        "redis": {"enabled": False},
        "migrate": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "storage": {"volume": {"existingClaim": "facts"}},
    },
    "everything on": {
        "image": {"digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "tls": {"enabled": True},
        "config": {
            "limits": {"concurrency": 64, "frame_cache_bytes": 1 << 30, "tenant_calls_per_second": 50},
            "redis": {"kept_s": 3600},
            "log": {"filter": "info,dualwheel_lake=debug", "audit": "/var/log/dualwheel/audit.log"},
            "plugins": {"runs": 2},
        },
        "definitions": {
            "existingConfigMap": "definitions",
            "items": [
                {"key": "acme-consumer.yaml", "path": "acme/consumer.yaml"},
                {"key": "acme-b1-product.yaml", "path": "acme/b1/product.yaml"},
            ],
        },
        "extraVolumes": [
            {"name": "authorities", "configMap": {"name": "authorities"}},
            {"name": "audit", "persistentVolumeClaim": {"claimName": "audit"}},
        ],
        "extraVolumeMounts": [
            {"name": "authorities", "mountPath": "/etc/authorities", "readOnly": True},
            {"name": "audit", "mountPath": "/var/log/dualwheel"},
        ],
        "telemetry": {
            "otlpEndpoint": "http://collector.monitoring:4317",
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True},
            "dashboards": {"enabled": True},
        },
        "networkPolicy": {
            "database": {"port": 5432, "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
            "redis": {"port": 6379, "to": [{"podSelector": {"matchLabels": {"app": "redis"}}}]},
        },
        "defaults": {
            "autoscaling": {"enabled": True},
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "priorityClassName": "high",
            "podAnnotations": {"a": "b"},
            "podLabels": {"c": "d"},
            "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/authorities/ca.crt"}],
        },
        "services": {
            "product": {"podDisruptionBudget": {"minAvailable": 1}},
        },
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/dualwheel"}},
    },
}

# Values that the chart must refuse, and a word of why.
REFUSED = {
    "services.consumer.replicas": {"services": {"consumer": {"replicas": 2}}},
    "services.consumer.autoscaling": {"services": {"consumer": {"autoscaling": {"enabled": True}}}},
    "allowAnonymous": {"auth": {"enabled": False}},
    "storage.s3.url": {"storage": {"kind": "s3"}},
    "colour": {"colour": "red"},
    "concurency": {"config": {"limits": {"concurency": 1}}},
    "digest": {"image": {"digest": "latest"}},
    "otlpEndpoint": {"telemetry": {"otlpEndpoint": "https://collector:4317"}},
    "items": {"definitions": {"existingConfigMap": "definitions"}},
    "path": {"definitions": {"existingConfigMap": "definitions", "items": [{"key": "a", "path": "consumer.yaml"}]}},
    "cashier": {"services": {"cashier": {}}},
}

# Settings that the chart itself sets, within the sections that values may set.
SET_BY_CHART = {"state.migrate", "redis.url", "log.format", "plugins.cache"}


@contextlib.contextmanager
def quiet():
    """Helm tells on the standard error that it follows symbolic links; what is wrong comes as an exception."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def check_chart(files):
    """The chart is linted, rendered in variants, and what comes out is valid and fits together."""
    where, folder = "deploy/chart/dualwheel", files.deploy / "chart/dualwheel"
    version = tomllib.loads((files.root / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    meta = files.yaml("chart/dualwheel/Chart.yaml")
    files.require(str(meta["appVersion"]) == version, f"{where}/Chart.yaml", f"the version is {version}")
    schema = json.loads((folder / "values.schema.json").read_text())
    try:
        jsonschema.Draft7Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        files.fault(f"{where}/values.schema.json", error.message)
    values, known = files.yaml("chart/dualwheel/values.yaml"), known_settings(files)
    for error in jsonschema.Draft7Validator(schema).iter_errors(values):
        files.fault(f"{where}/values.yaml", f"{'.'.join(map(str, error.path))}: {error.message}")
    sections = schema["properties"]["config"]["properties"]
    settable = {f"{section}.{key}" for section, keys in sections.items() for key in keys["properties"]}
    for key in sorted(settable - set(known)):
        files.fault(f"{where}/values.schema.json", f"{key} is no setting")
    for key in sorted(set(known) - settable - SET_BY_CHART):
        files.require(key.split(".")[0] not in sections, f"{where}/values.schema.json", f"{key} cannot be set")
    templates = "\n".join(path.read_text() for path in sorted((folder / "templates").iterdir()))
    for key, _ in leaves(values, empty=True):
        used = key.split(".")[-1] in re.findall(r"\w+", templates) or key.startswith("config.")
        files.require(
            used
            or key.startswith(
                (
                    "defaults.resources.",
                    "services.",
                    "defaults.podDisruptionBudget.",
                    "migrate.resources.",
                    "telemetry.dashboards.labels.",
                )
            ),
            f"{where}/values.yaml",
            f"{key} is read by no template",
        )
    with quiet():
        report = helm_python.lint(folder)
    for message in report["messages"]:
        files.require(message["severity"] < 2, f"{where}/{message['path']}", message["error"])
    with quiet(), helm_python.Chart.load(folder) as chart:
        for name, variant in VARIANTS.items():
            try:
                rendered = chart.render(variant, name="dualwheel", namespace="dualwheel")
                chart.validate_schema(variant)
            except helm_python.HelmError as error:
                files.fault(f"{where} ({name})", error)
                continue
            documents = []
            for path, text in rendered.items():
                if not path.endswith(".yaml"):
                    continue
                try:
                    documents += [document for document in yaml.load_all(text, Loader=UniqueKeys) if document]
                except yaml.YAMLError as error:
                    files.fault(f"{path} ({name})", f"is no YAML: {error}")
            merged = chart.merge_values(variant)
            check_manifests(files, f"{where} ({name})", documents, merged)
        for word, variant in REFUSED.items():
            try:
                chart.validate_schema(variant)
                chart.render(variant, name="dualwheel", namespace="dualwheel")
                files.fault(where, f"takes values that it must refuse: {variant}")
            except helm_python.HelmError as error:
                files.require(
                    word.split(".")[-1] in str(error), where, f"refuses {variant} for another reason: {error}"
                )
