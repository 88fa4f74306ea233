"""Rendered manifests: valid, hardened, and fitting together."""

import functools
import re
import tomllib
from collections import Counter

import jsonschema
import referencing
from kubernetes_validate import utils as kubernetes

from .common import SERVICES, leaves
from .settings import accepted, known_settings

KUBERNETES = ["1.29", "1.33", "1.37"]

CUSTOM = {
    "ServiceMonitor": {
        "type": "object",
        "additionalProperties": False,
        "required": ["selector", "endpoints"],
        "properties": {
            "jobLabel": {"type": "string"},
            "selector": {"type": "object", "required": ["matchLabels"]},
            "endpoints": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["port"],
                    "properties": {
                        "port": {"type": "string"},
                        "path": {"type": "string"},
                        "interval": {"type": "string"},
                        "relabelings": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {"sourceLabels": {"type": "array"}, "targetLabel": {"type": "string"}},
                            },
                        },
                    },
                },
            },
        },
    },
    "PrometheusRule": {
        "type": "object",
        "additionalProperties": False,
        "required": ["groups"],
        "properties": {"groups": {"type": "array", "minItems": 1}},
    },
}


@functools.cache
def kubernetes_definitions(version):
    path = f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json"
    return referencing.Resource.from_contents(kubernetes.schema_contents(path, version)) @ referencing.Registry()


@functools.cache
def kubernetes_schema(kind, api_version, version):
    """The schema of a kind, as kubernetes_validate.validate reads it, but read once."""
    group, _, short = api_version.rpartition("/")
    file = "-".join([kind.lower(), *([group.split(".")[0]] if group else []), short])
    path = f"kubernetes-json-schema/v{version}.0-local-strict/{file}.json"
    return jsonschema.Draft202012Validator(
        kubernetes.schema_contents(path, version), registry=kubernetes_definitions(version)
    )


def check_manifests(files, where, documents, values):
    found = {}
    for document in documents:
        kind, name = document["kind"], document["metadata"]["name"]
        at = f"{where}: {kind} {name}"
        files.require((kind, name) not in found, at, "comes twice")
        found[kind, name] = document
        if kind in CUSTOM:
            for error in jsonschema.Draft7Validator(CUSTOM[kind]).iter_errors(document["spec"]):
                files.fault(at, error.message)
            continue
        for version in KUBERNETES:
            try:
                for error in kubernetes_schema(kind, document["apiVersion"], version).iter_errors(document):
                    path = ".".join(map(str, error.absolute_path))
                    files.fault(at, f"Kubernetes {version} refuses it: {path}: {error.message}")
            except FileNotFoundError:
                files.fault(at, f"Kubernetes {version} does not have it")

    def every(kind):
        return {name: document for (other, name), document in found.items() if other == kind}

    def matching(selector, labels):
        return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
            labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", [])
        )

    deployments, services = every("Deployment"), every("Service")
    base = values["fullnameOverride"] or "dualwheel"
    names = {f"{base}-{service}" for service in SERVICES}
    files.require(
        set(deployments) == names and set(services) == names, where, f"has the services {sorted(deployments)}"
    )
    files.require(set(every("PodDisruptionBudget")) == names, where, "disruption budgets are missing")
    expected = names - {f"{base}-consumer"} if values["defaults"]["autoscaling"]["enabled"] else set()
    files.require(set(every("HorizontalPodAutoscaler")) == expected, where, "autoscalers are not as the values say")
    files.require(bool(every("Job")) == values["migrate"]["enabled"], where, "the migration is not as the values say")
    files.require(
        bool(every("NetworkPolicy")) == values["networkPolicy"]["enabled"],
        where,
        "network policies are not as the values say",
    )
    check_configuration(files, where, every("ConfigMap")[base]["data"]["dualwheel.toml"], values, base)
    given = {values["database"]["existingSecret"]} | {
        values[part]["existingSecret"] for part in ("redis", "tls", "auth") if values[part]["enabled"]
    }
    if values["storage"]["kind"] == "s3":
        given |= {values["storage"]["s3"]["existingSecret"]}
    for name, owner in {**deployments, **every("Job")}.items():
        check_pod(files, f"{where}: {name}", owner, values, found, given)
    for name, deployment in deployments.items():
        at, spec = f"{where}: {name}", deployment["spec"]
        role = name.removeprefix(f"{base}-")
        labels = spec["template"]["metadata"]["labels"]
        pod = spec["template"]["spec"]
        container = pod["containers"][0]
        files.require(matching(spec["selector"], labels), at, "does not select its own pods")
        files.require(container["args"] == ["serve", role], at, f"runs {container['args']}")
        if role == "consumer":
            files.require(spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"}, at, "could run twice")
        else:
            files.require(spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, at, "is away during an upgrade")
            files.require(("replicas" in spec) != (name in expected), at, "replicas and autoscaler contend")
        deadlines = values["config"]["deadlines"]
        drain = (deadlines["drain_ms"] + deadlines.get("unready_ms", 0)) / 1000
        files.require(pod["terminationGracePeriodSeconds"] >= drain + 5, at, "is killed before it has drained")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container.get(probe, {})
            if values["tls"]["enabled"]:
                command = asked.get("exec", {}).get("command", [""])
                files.require(
                    command[0] == "/usr/local/bin/grpc_health_probe" and "-tls" in command,
                    at,
                    f"{probe} speaks no TLS",
                )
                files.require(
                    ("-tls-client-key=/etc/dualwheel/tls/tls.key" in command) == values["tls"]["mutual"],
                    at,
                    f"{probe} shows no certificate",
                )
            else:
                files.require(asked.get("grpc") == {"port": 7650}, at, f"{probe} does not ask grpc.health.v1")
        files.require(
            {"cpu", "memory"} <= set(container["resources"]["requests"])
            and "memory" in container["resources"]["limits"],
            at,
            "has no bounds of memory and CPU",
        )
        files.require(len(pod["topologySpreadConstraints"]) == 2, at, "is not spread")
        service = services[name]["spec"]
        files.require(service.get("clusterIP") == "None", at, "its Service is not headless")
        files.require(matching({"matchLabels": service["selector"]}, labels), at, "its Service selects no pods")
        others = [
            other
            for other, each in deployments.items()
            if matching({"matchLabels": service["selector"]}, each["spec"]["template"]["metadata"]["labels"])
        ]
        files.require(others == [name], at, f"its Service selects {others}")
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        files.require(ports == {"grpc": 7650, "metrics": 9464}, at, f"has the ports {ports}")
        for port in service["ports"]:
            files.require(
                ports.get(port["targetPort"]) == port["port"], at, f"its Service's port {port['name']} leads nowhere"
            )
        files.require(
            matching(found["PodDisruptionBudget", name]["spec"]["selector"], labels), at, "its budget selects no pods"
        )
        if name in expected:
            target = found["HorizontalPodAutoscaler", name]["spec"]["scaleTargetRef"]
            files.require(
                target["name"] == name and target["kind"] == "Deployment", at, "its autoscaler is of another"
            )
    check_network(files, where, every("NetworkPolicy"), deployments, every("Job"), values, matching)
    for monitor in every("ServiceMonitor").values():
        for name, service in services.items():
            files.require(
                matching(monitor["spec"]["selector"], service["metadata"]["labels"]),
                where,
                f"{name} is not monitored",
            )
            for endpoint in monitor["spec"]["endpoints"]:
                ports = [port["name"] for port in service["spec"]["ports"]]
                files.require(endpoint["port"] in ports, where, f"{name} has no port {endpoint['port']}")
            files.require(
                service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "dualwheel",
                where,
                "the job is not dualwheel",
            )
    for rule in every("PrometheusRule").values():
        files.require(
            rule["spec"] == files.yaml("alerts/dualwheel.yaml"), where, "the rules are not those of alerts/"
        )
    boards = [each for name, each in every("ConfigMap").items() if name != base]
    if values["telemetry"]["dashboards"]["enabled"]:
        shown = sorted(text for board in boards for text in board["data"].values())
        kept = sorted(path.read_text() for path in (files.deploy / "dashboards").glob("*.json"))
        files.require(shown == kept, where, "the dashboards are not those of dashboards/")
    else:
        files.require(not boards, where, "dashboards come unasked")


def check_configuration(files, where, text, values, base):
    at = f"{where}: dualwheel.toml"
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        files.fault(at, f"is no TOML: {error}: {text}")
        return
    known, given = known_settings(files), dict(leaves(tree))
    for key, value in given.items():
        if files.require(key in known, at, f"{key}: there is no such setting"):
            files.require(type(value) is type(known[key]), at, f"{key} is {value!r}, not as {known[key]!r}")
    for section, settings in values["config"].items():
        for key, value in settings.items():
            files.require(tree.get(section, {}).get(key) == value, at, f"{section}.{key} is not what the values say")
    files.require(given["state.migrate"] is False, at, "services would migrate")
    mutual = values["tls"]["enabled"] and values["tls"]["mutual"]
    files.require(
        given["allow_remote_without_auth"] == (not values["auth"]["enabled"] and not mutual),
        at,
        "whether callers are authenticated is not what the values say",
    )
    files.require(("auth" in tree) == values["auth"]["enabled"], at, "tokens are not as the values say")
    files.require(
        ("tls" in tree) == values["tls"]["enabled"] and ("tls.client_ca" in given) == bool(mutual),
        at,
        "TLS is not as the values say",
    )
    scheme = "https" if values["tls"]["enabled"] else "http"
    files.require(
        tree["endpoints"] == {name: f"{scheme}://{base}-{name}:7650" for name in SERVICES[:4]},
        at,
        "endpoints are wrong",
    )
    folder = "/etc/dualwheel/definitions" if values["definitions"]["existingConfigMap"] else None
    files.require(given.get("definitions") == folder, at, "definitions are not as the values say")
    for secret in ("database", "redis.url"):
        files.require(secret not in given, at, f"{secret} is a secret")
    # A lake that is no local folder needs a database, which comes from the environment.
    accepted(files, at, 'database = "postgres://user:password@host/dualwheel"\n' + text)


def check_pod(files, at, owner, values, found, secrets):
    """The restricted pod security standard, and that everything mounted or named is there."""
    pod = owner["spec"]["template"]["spec"]
    security = pod["securityContext"]
    files.require(security["runAsNonRoot"] is True and security["runAsUser"] >= 1000, at, "may run as root")
    files.require(security["seccompProfile"] == {"type": "RuntimeDefault"}, at, "has no seccomp profile")
    files.require(pod["automountServiceAccountToken"] is False, at, "gets a token of the cluster")
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        files.require(not pod.get(key), at, f"uses {key}")
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    extra = {volume["name"]: volume for volume in values["extraVolumes"]}
    files.require(extra.items() <= volumes.items(), at, "lacks volumes of the values")
    for container in pod["containers"] + pod.get("initContainers", []):
        inner = container["securityContext"]
        files.require(inner["allowPrivilegeEscalation"] is False, at, "may gain privileges")
        files.require(inner["readOnlyRootFilesystem"] is True, at, "its root is not read-only")
        files.require(inner["capabilities"] == {"drop": ["ALL"]}, at, "keeps capabilities")
        files.require(not inner.get("privileged"), at, "is privileged")
        mounts = {mount["name"]: mount for mount in container.get("volumeMounts", [])}
        files.require(set(mounts) == set(volumes), at, f"mounts {sorted(mounts)} of {sorted(volumes)}")
        paths = {mount["mountPath"] for mount in mounts.values()}
        files.require("/tmp" in paths, at, "has no room to write in")
        for name, volume in volumes.items():
            if "secret" in volume:
                files.require(
                    "subPath" not in mounts[name] and mounts[name].get("readOnly"),
                    at,
                    f"a changed {name} would not reach it",
                )
        known = known_settings(files)
        keys = Counter(variable["name"] for variable in container["env"])
        files.require(max(keys.values()) == 1, at, "a variable comes twice")
        for variable in container["env"]:
            name = variable["name"]
            if name.startswith("DUALWHEEL_") and name != "DUALWHEEL_CONFIG":
                key = name.removeprefix("DUALWHEEL_").lower().replace("__", ".")
                files.require(key in known, at, f"{name} sets nothing that exists")
            source = variable.get("valueFrom", {}).get("secretKeyRef")
            secret = re.search("DATABASE|REDIS|SECRET|ACCESS_KEY", name)
            files.require(source or not secret, at, f"{name} is written into the manifest")
            if source:
                files.require(source["name"] in secrets, at, f"{source['name']} is no Secret of the values")
        if owner["kind"] == "Deployment":
            files.require(
                ("lake" in volumes) == (values["storage"]["kind"] == "volume"),
                at,
                "the lake is not as the values say",
            )
            files.require(
                ("AWS_ACCESS_KEY_ID" in keys) == (values["storage"]["kind"] == "s3"),
                at,
                "the bucket is not as the values say",
            )
            files.require(
                ("DUALWHEEL_REDIS__URL" in keys) == values["redis"]["enabled"], at, "Redis is not as the values say"
            )
            files.require("DUALWHEEL_CONFIG" in keys, at, "has no configuration")
            files.require(
                ("/etc/dualwheel/definitions" in paths) == bool(values["definitions"]["existingConfigMap"]),
                at,
                "definitions are not mounted as the values say",
            )
    hook = "helm.sh/hook" in owner["metadata"].get("annotations", {})
    for name, volume in volumes.items():
        if name in extra:
            continue
        if name == "definitions":
            given = values["definitions"]
            places = {item["key"]: f"definitions/{item['path']}" for item in given["items"]}
            files.require(
                volume["configMap"]["name"] == given["existingConfigMap"]
                and {item["key"]: item["path"] for item in volume["configMap"]["items"]} == places
                and mounts[name].get("subPath") == "definitions",
                at,
                "definitions are not those of the values",
            )
        elif "configMap" in volume:
            files.require(
                ("ConfigMap", volume["configMap"]["name"]) in found, at, f"{name} is no ConfigMap of the release"
            )
            files.require(not hook, at, "is there before its ConfigMap")
        if "secret" in volume:
            files.require(volume["secret"]["secretName"] in secrets, at, f"{name} is no Secret of the values")
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            files.require(
                ("PersistentVolumeClaim", claim) in found or claim == values["storage"]["volume"]["existingClaim"],
                at,
                f"{claim} is no claim",
            )
    account = pod.get("serviceAccountName")
    if hook:
        files.require(account is None, at, "is there before its ServiceAccount")
        files.require(pod["containers"][0]["args"] == ["migrate", "up"], at, "does not migrate")
    else:
        files.require(("ServiceAccount", account) in found, at, f"{account} is no ServiceAccount of the release")


def check_network(files, where, policies, deployments, jobs, values, matching):
    """Who may reach whom, as the policies add up."""
    if not policies:
        return
    pods = {name: owner["spec"]["template"]["metadata"]["labels"] for name, owner in {**deployments, **jobs}.items()}

    def rules(name, direction):
        """Rules of a direction that apply to a pod; None where nothing restricts it."""
        kind = direction.capitalize()
        applying = [
            policy["spec"]
            for policy in policies.values()
            if kind in policy["spec"]["policyTypes"] and matching(policy["spec"]["podSelector"], pods[name])
        ]
        return [rule for spec in applying for rule in spec.get(direction, [])] if applying else None

    def allows(name, direction, other, port):
        peer = "from" if direction == "ingress" else "to"
        found = rules(name, direction)
        return found is None or any(
            any(each["port"] == port for each in rule["ports"])
            and any(
                "podSelector" in to and "namespaceSelector" not in to and matching(to["podSelector"], other)
                for to in rule.get(peer, [])
            )
            for rule in found
        )

    for name in pods:
        for direction in ("ingress", "egress"):
            files.require(rules(name, direction) is not None, where, f"nothing restricts the {direction} of {name}")
        leads = {each["port"] for rule in rules(name, "egress") or [] for each in rule["ports"]}
        expected = {53, values["networkPolicy"]["database"]["port"]}
        if name in deployments:
            expected |= {values["networkPolicy"]["redis"]["port"]} if values["redis"]["enabled"] else set()
            expected |= (
                {values["networkPolicy"]["collector"]["port"]} if values["telemetry"]["otlpEndpoint"] else set()
            )
            expected |= (
                {values["networkPolicy"]["objectStore"]["port"]} if values["storage"]["kind"] == "s3" else set()
            )
        if name.endswith("-diagnosis"):
            expected |= {7650}
        files.require(leads == expected, where, f"{name} may reach the ports {sorted(leads)}, not {sorted(expected)}")
    for name in deployments:
        for other in deployments:
            asks = name.endswith("-diagnosis") and not other.endswith("-diagnosis")
            reached = allows(name, "egress", pods[other], 7650) and allows(other, "ingress", pods[name], 7650)
            files.require(reached == asks, where, f"{name} {'may' if reached else 'may not'} call {other}")
        client = {"dualwheel.dev/client": "true"}
        files.require(allows(name, "ingress", client, 7650), where, f"clients may not call {name}")
        files.require(not allows(name, "ingress", {"app": "other"}, 7650), where, f"everyone may call {name}")
