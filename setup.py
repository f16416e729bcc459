"""Adds the code that the toolkit deploys to the wheel, as `toolkit/bundle`; the rest is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("terraform/stacks", "terraform/modules", "lambda_src", "policies", "requirements")
# A policy reads it by its place in a clone.
FILES = ("toolkit/serving/images.json",)
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", ".terraform", "errored.tfstate", "examples", "README.md", "*.in"
)


class BuildWithBundle(build_py):
    """An editable installation finds the code in its clone."""

    def run(self) -> None:
        """Build the package, then copy."""
        super().run()
        if self.editable_mode:
            return
        bundle = Path(self.build_lib) / "toolkit" / "bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        for name in FOLDERS:
            shutil.copytree(name, bundle / name, ignore=LEFT_OUT)
        for name in FILES:
            (bundle / name).parent.mkdir(parents=True)
            shutil.copy2(name, bundle / name)


setup(cmdclass={"build_py": BuildWithBundle})
