"""The functions that a function reaches, found in the source without running it.

A stage is stale when something it can call has changed, and only then: the unit is one top-level definition, and
comments, docstrings and layout do not count.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

SILENT = frozenset({"tasks.recipe", "tasks.errors", "tasks.progress"})
"""Modules that only check, complain or tell: no output byte depends on them (recipe *values* are recorded)."""


@dataclass(frozen=True)
class Module:
    """A parsed source file: its top-level definitions and what each imported name means."""

    definitions: dict[str, list[ast.stmt]]
    imports: dict[str, tuple[str, str | None]]


@dataclass
class Reach:
    """What was found so far: definitions by qualified name with their hash, and outside packages."""

    definitions: dict[str, str] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)


def reach(root: Path, starts: list[tuple[str, str]], kind: str = "") -> Reach:
    """Everything below `root`/tasks that the (module, name) pairs can call, and the packages it imports.

    Where the code imports a module by the recipe's kind (`import_module(f"tasks.encode.{kind}")`), that is the one of
    `kind`, with all its public names.
    """
    found = Reach()
    waiting = list(starts)
    while waiting:
        module_name, name = waiting.pop()
        qualified = f"{module_name}.{name}"
        if qualified in found.definitions or module_name in SILENT:
            continue
        module = parsed(root, module_name)
        nodes = module.definitions.get(name, []) if module else []
        if module is None or not nodes:
            continue
        found.definitions[qualified] = _hash(root, module_name, name)
        for target, attribute in _references(root, module_name, module, nodes):
            if target.split(".")[0] != "tasks":
                found.packages.add(target.split(".")[0])
            elif attribute is not None:
                waiting.append((target, attribute))
        for package in _imported_by_kind(nodes):
            waiting += public_names(root, f"{package}{kind}")
    return found


def public_names(root: Path, module_name: str) -> list[tuple[str, str]]:
    """The (module, name) pairs of a module's definitions without a leading underscore; none if there is no module.

    What it takes from elsewhere and names in `__all__` is its own too, under the name that it has there.
    """
    module = parsed(root, module_name)
    if module is None:
        return []
    own = [(module_name, name) for name in module.definitions if not name.startswith("_")]
    taken = [module.imports[name] for name in _exported(module) if name in module.imports]
    return [*own, *((origin, name) for origin, name in taken if name is not None)]


def _exported(module: Module) -> list[str]:
    """The names in the module's `__all__`."""
    nodes = (node for statement in module.definitions.get("__all__", []) for node in ast.walk(statement))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _imported_by_kind(nodes: list[ast.stmt]) -> Iterator[str]:
    """The packages (with their last dot) out of which these statements import a module whose name they compute."""
    for node in (inner for statement in nodes for inner in ast.walk(statement)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            name = node.args[0]
            if isinstance(name, ast.JoinedStr) and isinstance(name.values[0], ast.Constant):
                yield str(name.values[0].value)


@cache
def parsed(root: Path, module_name: str) -> Module | None:
    """The module's definitions and imports, or None if there is no such source file."""
    path = root.joinpath(*module_name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        return None
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    definitions: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in _defined(statement):
            definitions.setdefault(name, []).append(statement)
    imports = dict(_imported(tree))
    return Module(definitions, imports)


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))


def _imported(tree: ast.AST) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """Each name that an import at any depth binds: (module, name in it or None for the module itself)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                yield bound, (alias.name if alias.asname else alias.name.split(".")[0], None)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)


def _references(
    root: Path, module_name: str, module: Module, nodes: list[ast.stmt]
) -> Iterator[tuple[str, str | None]]:
    """The (module, name) pairs that the definition's own statements mention."""
    for node in (inner for statement in nodes for inner in ast.walk(statement)):
        if isinstance(node, ast.Name):
            yield from _resolved(root, module_name, module, node.id, None)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from _resolved(root, module_name, module, node.value.id, node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (target for _, target in _imported(node))


def _resolved(
    root: Path, module_name: str, module: Module, name: str, attribute: str | None
) -> Iterator[tuple[str, str | None]]:
    if name in module.definitions:
        yield module_name, name
    elif name in module.imports:
        target, inner = module.imports[name]
        submodule = f"{target}.{inner}" if inner else target
        if target.startswith("tasks") and parsed(root, submodule) is not None:
            yield submodule, attribute
        else:
            yield target, inner


@cache
def _hash(root: Path, module_name: str, name: str) -> str:
    """sha256 of the definition's source as Python itself would print it, docstrings taken out."""
    module = parsed(root, module_name)
    nodes = module.definitions[name] if module else []
    text = "\n".join(ast.unparse(_without_docstrings(node)) for node in nodes)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_docstrings(node: ast.stmt) -> ast.stmt:
    clean = ast.parse(ast.unparse(node)).body[0]
    for inner in ast.walk(clean):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(inner):
            inner.body = inner.body[1:] or [ast.Pass()]
    return clean
