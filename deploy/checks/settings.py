"""Settings: reference.toml, every other TOML file, and every variable that is named."""

import os
import re
import subprocess
import tempfile
import tomllib

from .common import leaves


def settings_of_source(files):
    """Keys of the configuration as the structs in the source have them."""
    source = files.root / "services/kit/src"
    text = "\n".join(path.read_text() for path in [source / "config.rs", *sorted((source / "config").glob("*.rs"))])
    structs = {
        name: re.findall(r"^ {4}pub (\w+): (?:Option<)?([\w<>:]+?)>*,$", body, re.M)
        for name, body in re.findall(r"^pub struct (\w+) \{\n(.*?)^\}", text, re.M | re.S)
    }

    def keys(struct, prefix):
        for field, kind in structs[struct]:
            if kind in structs:
                yield from keys(kind, f"{prefix}{field}.")
            else:
                yield prefix + field

    return set(keys("Config", ""))


def reference(files):
    """Defaults of reference.toml, and the example values of its lines that are commented out."""
    text = files.text("reference.toml")
    defaults = tomllib.loads(text)
    everything = tomllib.loads(re.sub(r"^# (?=\w+ = )", "", text, flags=re.M))
    return defaults, everything


def known_settings(files):
    return dict(leaves(reference(files)[1]))


def check_settings(files):
    """reference.toml has every setting; no file and no variable names one that does not exist."""
    defaults, everything = reference(files)
    known = set(dict(leaves(everything)))
    for key in sorted(settings_of_source(files) - known):
        files.fault("deploy/reference.toml", f"{key} is missing")
    for path in sorted(files.deploy.rglob("*.toml")):
        try:
            tree = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            files.fault(files.name(path), f"is no TOML: {error}")
            continue
        for key in sorted(set(dict(leaves(tree))) - known):
            files.fault(files.name(path), f"{key}: there is no such setting")
        accepted(files, files.name(path), path.read_text())
    for path in sorted(files.deploy.rglob("*")):
        if (
            not path.is_file()
            or path.is_symlink()
            or path.name == "check"
            or path.parent.name in ("checks", "__pycache__")
        ):
            continue
        for variable in set(re.findall(r"\bDUALWHEEL_[A-Z0-9_]+", path.read_text())):
            key = variable.removeprefix("DUALWHEEL_").lower().replace("__", ".")
            files.require(key in known or key == "config", files.name(path), f"{variable} sets nothing that exists")
    values = set(dict(leaves(files.yaml("chart/dualwheel/values.yaml"), empty=True)))
    values |= {key.rsplit(".", depth)[0] for key in values for depth in range(1, key.count(".") + 1)}
    sections = {key.split(".")[0] for key in known | values if "." in key}
    for path in sorted(files.deploy.rglob("*.md")):
        for key in set(re.findall(r"`([a-z]\w*\.[\w.]+)`", path.read_text())):
            if key.split(".")[0] in sections and not key.endswith((".crt", ".key", ".json", ".yaml", ".toml", ".v1", ".db", ".opened")):
                scope = key in {"facts.read", "facts.write"} or re.fullmatch(r"\w+\.(read|write|erase)", key)
                known_key = key in values or key.removeprefix("config.") in known
                files.require(known_key or scope, files.name(path), f"{key} is no setting and no value")
    if files.dualwheel:
        accepted(
            files,
            "deploy/reference.toml, all of it",
            re.sub(r"^# (?=\w+ = )", "", files.text("reference.toml"), flags=re.M),
        )
        printed = tomllib.loads(run_config(files, "").stdout)
        for key, _ in leaves(printed):
            files.require(key in known, "deploy/reference.toml", f"{key}, which the program has, is missing")
        given, printed = dict(leaves(defaults)), dict(leaves(printed))
        for key, value in given.items():
            files.require(
                printed.get(key) == value,
                "deploy/reference.toml",
                f"{key} is {printed.get(key)!r} by default, not {value!r}",
            )


def run_config(files, text):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DUALWHEEL_")}
        return subprocess.run(
            [files.dualwheel, "config", "--config", file.name],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tempfile.gettempdir(),
            timeout=60,
        )


def accepted(files, where, text):
    """The program, where it is given, takes the configuration."""
    if files.dualwheel:
        done = run_config(files, text)
        files.require(done.returncode == 0, where, f"`dualwheel config` refuses it: {done.stderr.strip()}")
