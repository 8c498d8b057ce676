# SPDX-License-Identifier: Apache-2.0
"""The house rules that a reader would otherwise have to check by eye: who imports whom, and how long things may be."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "lsms_monai"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = [
    *MODULES,
    *sorted(
        path for folder in ("apps", "tests", "tools", "benchmarks") for path in (REPOSITORY / folder).rglob("*.py")
    ),
]

# Layer -> layers of ours it may import. A new module needs a line here.
MAY_IMPORT = {
    "__init__": set(),
    "keys": set(),
    "networks": {"networks"},
    "transforms": {"transforms", "data", "keys"},
    "data": {"data", "keys"},
    "losses": {"keys"},
    "metrics": {"keys"},
    "inferers": {"keys"},
    "handlers": {"keys", "metrics"},
    "optimizers": {"keys"},
    "weights": {"keys"},
    "answer": {"data", "keys"},
    "overlay": {"answer"},
    "bundle_parts": {"keys"},
    "onnx_network": {"keys"},
    "exports": {"keys", "onnx_network"},
    "report": {"answer", "overlay", "keys"},
    "components": {"answer", "data"},
    "selection": {"components", "data"},
    "resolution": {"components", "data", "selection"},
    "predictor": {"answer", "bundle_parts", "components", "data", "onnx_network", "resolution", "transforms", "keys"},
    "evaluation": {"evaluation", "answer", "data", "metrics", "overlay", "predictor", "keys"},
    "dicom_seg": {"dicom_seg", "answer", "data", "keys"},
    "cli": {
        "cli",
        "answer",
        "bundle_parts",
        "data",
        "dicom_seg",
        "evaluation",
        "exports",
        "onnx_network",
        "predictor",
        "report",
        "transforms",
    },
    "__main__": {"cli"},
}
HEAVY = {"torch", "monai", "transformers", "ignite", "SimpleITK", "nibabel", "scipy", "numpy", "PIL"}
APPLICATION_SDKS = ("monailabel", "monai.deploy", "holoscan")


def name(path):
    return str(path.relative_to(REPOSITORY))


def layer(module):
    """The part of the package a dotted module name belongs to, "__init__" for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_of(path):
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def imports(path):
    """Every module that a file imports, at any depth of its code, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno} imports relatively; write the full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def definitions(path, kinds):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def length(function):
    """Lines of a function's body, without signature and docstring."""
    body = function.body if ast.get_docstring(function) is None else function.body[1:]
    return function.end_lineno - body[0].lineno + 1 if body else 0


def public_definitions(path):
    """Module-level classes and functions and their methods, without private names and overloads of Python's own."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (f for f in node.body if isinstance(f, ast.FunctionDef) and not f.name.startswith("_"))


def test_the_package_was_found():
    assert len(MODULES) > 10


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_downwards(path):
    own = layer(module_of(path))
    assert own in MAY_IMPORT, f"{name(path)} has no place in MAY_IMPORT"
    ours = {layer(module) for module in imports(path) if module.startswith("lsms_monai.")}
    constants = {"__version__"}
    assert ours - constants <= MAY_IMPORT[own]


def test_no_module_reaches_itself_through_its_imports():
    names = {module_of(path) for path in MODULES}
    graph = {module_of(path): imports(path) & names - {module_of(path)} for path in MODULES}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_the_package_never_imports_an_application_sdk(path):
    assert not [module for module in imports(path) if module.startswith(APPLICATION_SDKS)]


def test_keys_stand_on_the_enums_of_monai_alone():
    found = imports(PACKAGE / "keys.py")
    assert found <= {"monai.utils.enums", "monai.utils.enums.CommonKeys"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_has_at_most_250_lines_and_says_its_licence(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 250
    assert lines[0] == "# SPDX-License-Identifier: Apache-2.0"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_function_has_at_most_40_lines(path):
    too_long = {node.name: length(node) for node in definitions(path, ast.FunctionDef) if length(node) > 40}
    assert not too_long


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_everything_public_is_documented(path):
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert not [node.name for node in public_definitions(path) if ast.get_docstring(node) is None]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_nothing_is_printed(path):
    calls = [node.func for node in definitions(path, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call, ast.Name) and call.id == "print"]


@pytest.mark.parametrize("module", ["lsms_monai", "lsms_monai.cli"])
def test_help_and_version_do_not_wait_for_heavy_packages(module):
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert not HEAVY & set(loaded.stdout.split())
