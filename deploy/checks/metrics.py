"""Dashboards and alerts: the metrics that they ask for."""

import json
import re
import subprocess
import tomllib
from collections import Counter

import promql_parser

from .guide import headings


def known_metrics(files):
    """Names of series, and the labels of each; with those that rules record."""
    tree = files.yaml("metrics.yaml")
    targets, series = set(tree["targets"]), {}
    for name, metric in tree["metrics"].items():
        labels = set(metric["labels"]) | targets
        if metric["type"] == "histogram":
            series |= {f"{name}_count": labels, f"{name}_sum": labels, f"{name}_bucket": labels | {"le"}}
        else:
            series[name] = labels
    for group in files.yaml("alerts/dualwheel.yaml")["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                by = re.search(r"sum by \(([^)]*)\)", rule["expr"])
                series[rule["record"]] = set(by[1].split(", ")) if by else set()
    return series


def check_query(files, where, query, series):
    """PromQL parses, and uses known series and labels."""
    try:
        tree = promql_parser.parse(query)
    except ValueError as error:
        files.fault(where, f"is no PromQL: {error}: {query}")
        return
    names = []

    def visit(node):
        if isinstance(node, promql_parser.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql_parser.VectorSelector):
            names.append(node.name)
            if not files.require(node.name in series, where, f"{node.name} is no metric of deploy/metrics.yaml"):
                return
            for matcher in node.matchers.matchers:
                files.require(matcher.name in series[node.name], where, f"{node.name} has no label {matcher.name}")
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            allowed = set.union(set(), *series.values())
            for label in node.modifier.labels:
                files.require(label in allowed, where, f"there is no label {label}")

    promql_parser.walk(tree, visit)
    files.require(names, where, f"asks for no metric: {query}")
    for name in names:
        for label in [word for by in re.findall(r"by \(([^)]*)\)", query) for word in by.split(", ")]:
            files.require(label in series.get(name, {label}), where, f"{name} has no label {label} to group by")


def check_dashboards(files):
    """Grafana's dashboards are well formed, take their data source from a variable, and ask for metrics that exist."""
    series, uids, paths = known_metrics(files), Counter(), sorted((files.deploy / "dashboards").glob("*.json"))
    files.require(len(paths) >= 3, "deploy/dashboards", "dashboards are missing")
    asked = set()
    for path in paths:
        where = files.name(path)
        try:
            board = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            files.fault(where, f"is no JSON: {error}")
            continue
        uids[board["uid"]] += 1
        variables = {variable["name"]: variable for variable in board["templating"]["list"]}
        files.require(
            variables.get("datasource", {}).get("type") == "datasource", where, "has no variable for the data source"
        )
        cells = Counter()
        ids = Counter(panel["id"] for panel in board["panels"])
        files.require(max(ids.values()) == 1, where, "panels share an id")
        for panel in board["panels"]:
            at, grid = f"{where}: {panel['title']}", panel["gridPos"]
            files.require(grid["x"] + grid["w"] <= 24, at, "is wider than the page")
            cells.update(
                (x, y)
                for x in range(grid["x"], grid["x"] + grid["w"])
                for y in range(grid["y"], grid["y"] + grid["h"])
            )
            if panel["type"] == "row":
                continue
            files.require(panel["datasource"]["uid"] == "${datasource}", at, "names a data source of its own")
            files.require(panel.get("targets"), at, "asks nothing")
            for target in panel["targets"]:
                files.require(target["datasource"]["uid"] == "${datasource}", at, "names a data source of its own")
                for name in re.findall(r"\$\{?(\w+)", target["expr"]):
                    files.require(
                        name in variables or name in ("__rate_interval", "__range"), at, f"has no variable {name}"
                    )
                query = (
                    target["expr"]
                    .replace("$__rate_interval", "5m")
                    .replace("$__range", "3h")
                    .replace("$component", ".*")
                )
                check_query(files, at, query, series)
                asked |= set(re.findall(r"[a-z_:]{2,}", query))
        files.require(max(cells.values()) == 1, where, "panels lie on one another")
    for uid, count in uids.items():
        files.require(count == 1, "deploy/dashboards", f"{count} dashboards have the uid {uid}")
    for name in files.yaml("metrics.yaml")["metrics"]:
        seen = name in asked or f"{name}_bucket" in asked
        files.require(seen, "deploy/dashboards", f"{name} is on no dashboard")


def check_alerts(files):
    """Rules have Prometheus' shape, ask for metrics that exist, and lead to a heading of the guide."""
    where, series, anchors = (
        "deploy/alerts/dualwheel.yaml",
        known_metrics(files),
        headings(files.text("OPERATIONS.md")),
    )
    repository = tomllib.loads((files.root / "Cargo.toml").read_text())["workspace"]["package"]["repository"]
    tree = files.yaml("alerts/dualwheel.yaml")
    files.require(set(tree) == {"groups"}, where, f"has the keys {sorted(tree)}")
    names, groups = Counter(), Counter(group["name"] for group in tree["groups"])
    files.require(max(groups.values()) == 1, where, "groups share a name")
    for group in tree["groups"]:
        files.require(set(group) <= {"name", "interval", "rules"}, where, f"{group['name']} has unknown keys")
        for rule in group["rules"]:
            name = rule.get("alert") or rule.get("record")
            at = f"{where}: {name}"
            names[name] += 1
            check_query(files, at, rule["expr"], series)
            for reason in re.findall(r'reason=~?"([^"]*)"', rule["expr"]):
                for word in reason.split("|"):
                    files.require(word.lower() in anchors, at, f"{word} is no reason that the guide tells")
            if "record" in rule:
                files.require(set(rule) == {"record", "expr"}, at, "has unknown keys")
                continue
            files.require(set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, at, "has unknown keys")
            files.require(re.fullmatch(r"\d+[smhd]", str(rule.get("for", "0s"))), at, f"`for` is {rule.get('for')}")
            files.require(
                rule.get("labels", {}).get("severity") in ("critical", "warning", "info"), at, "has no severity"
            )
            notes = rule.get("annotations", {})
            for note in ("summary", "description", "runbook_url"):
                files.require(notes.get(note), at, f"has no {note}")
            page, _, anchor = notes.get("runbook_url", "").partition("#")
            files.require(page == f"{repository}/blob/main/deploy/OPERATIONS.md", at, f"its runbook is {page}")
            files.require(anchor in anchors, at, f"the guide has no heading #{anchor}")
            files.require(anchor == name.lower(), at, f"its runbook is that of {anchor}")
    files.require(max(names.values()) == 1, where, "rules share a name")
    alerts = {rule["alert"] for group in tree["groups"] for rule in group["rules"] if "alert" in rule}
    tested = {
        case["alertname"]
        for test in files.yaml("alerts/tests.yaml")["tests"]
        for case in test.get("alert_rule_test", [])
    }
    for name in sorted(tested - alerts):
        files.fault("deploy/alerts/tests.yaml", f"there is no alert {name}")
    if files.promtool:
        promtool(files, "check", "rules", files.deploy / "alerts/dualwheel.yaml")
        promtool(files, "test", "rules", files.deploy / "alerts/tests.yaml")


def promtool(files, *arguments):
    done = subprocess.run([files.promtool, *arguments], capture_output=True, text=True, timeout=120)
    files.require(
        done.returncode == 0, f"promtool {arguments[0]} {arguments[1]}", (done.stdout + done.stderr).strip()
    )
