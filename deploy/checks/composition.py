"""compose.yaml, and the files that it mounts."""

import json
import re
import tomllib
from collections import Counter

import compose_spec
import yaml

from .common import SERVICES, UniqueKeys
from .metrics import promtool


def interpolated(files, text, known):
    """Compose's variables filled in; those that are not told in the example are faults."""

    def fill(match):
        name, _, default = match[1].partition(":-")
        name, _, message = name.partition(":?")
        files.require(name in known, "deploy/compose/.env.example", f"{name} is missing")
        files.require(default or message, "deploy/compose/compose.yaml", f"{name} may stay unset without a word")
        return default or "filled"

    return re.sub(r"\$\{([^}]+)\}", fill, text)


def check_composition(files):
    """compose.yaml follows the specification, is hardened, and names only what is there."""
    where, folder = "deploy/compose/compose.yaml", files.deploy / "compose"
    example = dict(
        line.split("=", 1)
        for line in (folder / ".env.example").read_text().split("\n")
        if line and not line.startswith("#")
    )
    for name, value in example.items():
        files.require(
            not value or not re.search("PASSWORD|SECRET|TOKEN", name),
            "deploy/compose/.env.example",
            f"{name} has a value",
        )
    files.require(
        "/deploy/compose/.env" in (files.root / ".gitignore").read_text().split("\n"),
        ".gitignore",
        "does not keep deploy/compose/.env out",
    )
    text = files.text("compose/compose.yaml")
    raw = yaml.load(text, Loader=UniqueKeys)
    tree = yaml.safe_load(interpolated(files, text, example))
    try:
        compose_spec.PyCompose.from_json(json.dumps(tree))
    except ValueError as error:
        files.fault(where, error)
        return
    published = set()
    builds = Counter(service["image"] for service in tree["services"].values() if "build" in service)
    for image, count in builds.items():
        files.require(count == 1, where, f"{image} is built by {count} services")
    for name, service in tree["services"].items():
        at = f"{where}: {name}"
        files.require(service.get("read_only") is True, at, "its root is not read-only")
        files.require(service.get("cap_drop") == ["ALL"], at, "keeps capabilities")
        files.require("no-new-privileges:true" in service.get("security_opt", []), at, "may gain privileges")
        files.require(not service.get("privileged") and "cap_add" not in service, at, "is privileged")
        image = service.get("image", "")
        files.require(re.search(r":[\w.-]+$", image) and not image.endswith(":latest"), at, f"{image} is not pinned")
        files.require(name == "collector" or "healthcheck" in service, at, "has no health check")
        for port in service.get("ports", []):
            published.add(name)
            files.require(str(port).startswith("127.0.0.1:"), at, f"{port} is open to other machines")
        for other, how in service.get("depends_on", {}).items():
            files.require(other in tree["services"], at, f"waits for {other}, which is not there")
            if how["condition"] == "service_healthy":
                test = tree["services"].get(other, {}).get("healthcheck", {})
                files.require("test" in test, at, f"waits for the health of {other}, which has none")
        for mounted in service.get("configs", []):
            files.require(mounted["source"] in tree["configs"], at, f"has no config {mounted['source']}")
        for volume in service.get("volumes", []):
            if isinstance(volume, dict):
                files.require((folder / volume["source"]).exists(), at, f"{volume['source']} does not exist")
            else:
                files.require(volume.split(":")[0] in tree["volumes"], at, f"has no volume {volume}")
        for network in service.get("networks", []):
            files.require(network in tree["networks"], at, f"has no network {network}")
        files.require("networks" in service, at, "is in the default network")
        if "build" in service:
            files.require(
                (folder / service["build"]["context"] / service["build"]["dockerfile"]).is_file(),
                at,
                "its Dockerfile does not exist",
            )
        elif image in builds:
            files.require(service.get("pull_policy") == "never", at, f"may pull {image}, which is built here")
        for key, value in (raw["services"][name].get("environment") or {}).items():
            secret = re.search("PASSWORD|SECRET|TOKEN|AUTH|DATABASE|URL", key)
            files.require(not secret or "${" in value, at, f"{key} is written into the file")
        if name in SERVICES:
            files.require(service["command"] == ["serve", name], at, f"runs {service['command']}")
            files.require(
                service["depends_on"].get("migrate") == {"condition": "service_completed_successfully"},
                at,
                "does not wait for the migrations",
            )
    files.require(published == {*SERVICES, "grafana"}, where, f"publishes {sorted(published)}")
    files.require(tree["networks"]["inside"].get("internal") is True, where, "the inner network leads out")
    for config in tree["configs"].values():
        files.require((folder / config["file"]).is_file(), where, f"{config['file']} does not exist")
    targets = [config["target"] for service in tree["services"].values() for config in service.get("configs", [])]
    # what the mounted files say of one another
    prometheus = files.yaml("compose/prometheus.yaml")
    for path in prometheus["rule_files"]:
        files.require(path in targets, "deploy/compose/prometheus.yaml", f"{path} is not mounted")
    components = set()
    for job in prometheus["scrape_configs"]:
        for scraped in job["static_configs"]:
            for target in scraped["targets"]:
                host = target.split(":")[0]
                files.require(host in tree["services"], "deploy/compose/prometheus.yaml", f"{target} is no service")
                if job["job_name"] == "dualwheel":
                    components.add(host)
                    files.require(
                        scraped["labels"] == {"component": host},
                        "deploy/compose/prometheus.yaml",
                        f"{target} has the labels {scraped['labels']}",
                    )
    files.require(components == set(SERVICES), "deploy/compose/prometheus.yaml", "does not scrape every service")
    check_collector(files)
    for source in files.yaml("compose/grafana/datasources.yaml")["datasources"]:
        files.require(
            source["url"].split("//")[1].split(":")[0] in tree["services"],
            "deploy/compose/grafana/datasources.yaml",
            f"{source['url']} is no service",
        )
    mounts = [volume["target"] for volume in tree["services"]["grafana"]["volumes"] if isinstance(volume, dict)]
    for provider in files.yaml("compose/grafana/dashboards.yaml")["providers"]:
        files.require(
            provider["options"]["path"] in mounts,
            "deploy/compose/grafana/dashboards.yaml",
            f"{provider['options']['path']} is not mounted",
        )
    settings = tomllib.loads(files.text("compose/dualwheel.toml"))
    addresses = [*settings["endpoints"].values(), settings["telemetry"]["otlp_endpoint"]]
    for address in addresses:
        files.require(
            address.split("//")[1].split(":")[0] in tree["services"],
            "deploy/compose/dualwheel.toml",
            f"{address} is no service",
        )
    if files.promtool:
        promtool(files, "check", "config", "--syntax-only", folder / "prometheus.yaml")


def check_collector(files):
    where, tree = "deploy/compose/collector.yaml", files.yaml("compose/collector.yaml")
    used = {"receivers": set(), "processors": set(), "exporters": set()}
    for pipeline in tree["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            used[kind] |= set(names)
    for kind, names in used.items():
        files.require(
            names == set(tree[kind]), where, f"{kind}: {sorted(tree[kind])} are there, {sorted(names)} are used"
        )
