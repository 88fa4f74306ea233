"""The Dockerfile."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path


def check_image(files):
    """The Dockerfile is linted, leaves root, and gets from the context what it needs."""
    where, text = "deploy/Dockerfile", files.text("Dockerfile")
    linted = subprocess.run(
        [Path(sys.executable).parent / "hadolint", "--no-color", files.deploy / "Dockerfile"],
        capture_output=True,
        text=True,
    )
    files.require(linted.returncode == 0, where, (linted.stdout + linted.stderr).strip())
    final = text.rsplit("\nFROM ", 1)[1]
    user = re.findall(r"^USER (\d+):\d+$", final, re.M)
    files.require(user and int(user[-1]) >= 1000, where, "the last stage must name a user other than root by number")
    for word in ("ENTRYPOINT [", "HEALTHCHECK ", "STOPSIGNAL SIGTERM", "org.opencontainers.image.revision"):
        files.require(word in final, where, f"the last stage has no {word.strip()}")
    toolchain = tomllib.loads((files.root / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    files.require(f"ARG RUST_IMAGE=rust:{toolchain}-" in text, where, f"must build with Rust {toolchain}")
    for flag in ("--locked", "--mount=type=cache"):
        files.require(flag in text, where, f"builds without {flag}")
    workspace = tomllib.loads((files.root / "Cargo.toml").read_text())["workspace"]
    version = workspace["package"]["version"]
    files.require(f"ARG VERSION={version}\n" in text, where, f"the version is {version}")
    ignore = (files.root / ".dockerignore").read_text().split("\n")
    files.require("*" in ignore, ".dockerignore", "must let nothing in but what it names")
    needed = {member.split("/")[0] for member in workspace["members"]} | {
        ".cargo",
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
    }
    needed |= {source for source in re.findall(r"^COPY ([^-.]\S*) ", text, re.M)}
    for path in sorted(needed):
        files.require(f"!{path}" in ignore, ".dockerignore", f"keeps out {path}, which the build needs")
        files.require(
            (files.root / path).exists() or path in ("Cargo.lock",) or not path.startswith("deploy"),
            where,
            f"{path} does not exist",
        )
