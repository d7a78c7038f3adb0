"""Builds this project as PEP 660 has it, without any package that would have to be downloaded."""

import os
import zipfile

INFO = "catalogue-1.0.dist-info"


def build_editable(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {"catalogue.pth": os.path.abspath("src") + "\n"})


def build_wheel(folder, config_settings=None, metadata_directory=None):
    with open("src/catalogue/__init__.py") as module:
        return _wheel(folder, {"catalogue/__init__.py": module.read()})


def _wheel(folder, content):
    name = "catalogue-1.0-py3-none-any.whl"
    about = {
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: catalogue\nVersion: 1.0\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files = {**content, **about}
    record = "".join(f"{path},,\n" for path in (*files, f"{INFO}/RECORD"))
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in {**files, f"{INFO}/RECORD": record}.items():
            wheel.writestr(path, text)
    return name
