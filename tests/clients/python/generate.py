"""Generates the Python client of the contracts into a folder: python generate.py FOLDER"""

import sys
from pathlib import Path

from grpc_tools import protoc

CONTRACTS = Path(__file__).resolve().parents[3] / "proto"
WELL_KNOWN = Path(protoc.__file__).parent / "_proto"


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    # google/type comes with the package googleapis-common-protos.
    files = sorted(str(path) for path in (CONTRACTS / "dualwheel").rglob("*.proto"))
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    return protoc.main(["protoc", f"-I{CONTRACTS}", f"-I{WELL_KNOWN}", *outputs, *files])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
