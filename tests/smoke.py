"""What an installed wheel must be able to do, run by `make smoke` outside the checkout."""

import subprocess
import sys
from pathlib import Path

import calreg
from calreg import documents
from calreg.errors import InputError

GOOD = b"schema: calreg/registry/1.0\nname: smoke\n"
BAD = b"schema: calreg/registry/1.0\nname: NOT A NAME\n"


def refusal(raw: bytes) -> str:
    """What is said against a registry.yaml; nothing if it is accepted."""
    try:
        documents.load_settings(raw, where="bad")
    except InputError as error:
        return str(error)
    return ""


def main() -> None:
    """Check that the package is the wheel's, carries its schemas, and runs its main job."""
    assert "site-packages" in Path(calreg.__file__).parts, calreg.__file__
    for kind in documents.KINDS:
        assert documents.schema_bytes(kind)
    assert documents.load_settings(GOOD, where="good").name == "smoke"
    assert "/name" in refusal(BAD)
    calreg_command = Path(sys.executable).with_name("calreg")
    subprocess.run([calreg_command, "demo"], check=True)
    print("smoke: ok")


if __name__ == "__main__":
    main()
