"""The files that are checked, and what all checks need."""

from collections import Counter
from pathlib import Path

import yaml

SERVICES = ["consumer", "product", "content", "membership", "diagnosis"]


class Files:
    """The files under a root, and what is known of them; `faults` collects what is wrong."""

    def __init__(self, root, dualwheel=None, promtool=None):
        self.root = Path(root)
        self.deploy = self.root / "deploy"
        self.dualwheel = dualwheel
        self.promtool = promtool
        self.faults = []

    def fault(self, where, what):
        self.faults.append(f"{where}: {what}")

    def require(self, holds, where, what):
        if not holds:
            self.fault(where, what)
        return holds

    def text(self, path):
        return (self.deploy / path).read_text(encoding="utf-8")

    def yaml(self, path):
        return yaml.load(self.text(path), Loader=UniqueKeys)

    def name(self, path):
        return str(Path(path).relative_to(self.root))


class UniqueKeys(yaml.SafeLoader):
    """YAML in which a key may not come twice."""

    def construct_mapping(self, node, deep=False):
        keys = Counter(key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge")
        for key, count in keys.items():
            if count > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} comes twice", node.start_mark)
        return super().construct_mapping(node, deep)


def leaves(tree, prefix="", empty=False):
    """Dotted keys and values of nested mappings; those of empty mappings too, where `empty` says so."""
    for key, value in tree.items():
        if isinstance(value, dict) and (value or not empty):
            yield from leaves(value, f"{prefix}{key}.", empty)
        else:
            yield f"{prefix}{key}", value
