"""Rules that no tool knows: no float near money, no question about dry runs in services."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

APPS = Path(__file__).resolve().parents[2] / "apps"
MONEY = (
    *("core", "billing", "leasing", "subscriptions", "engagements", "documents"),
    "fieldwork",
)


def sources(*apps: str) -> Iterator[Path]:
    for app in apps:
        for path in sorted((APPS / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def is_float(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="float")) | ast.Name(id="float"):
            return True
        case ast.Constant(value=float()):
            return True
        case ast.Attribute(attr="FloatField"):
            return True
    return False


def asks_about_dry_run(node: ast.AST) -> bool:
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            names = {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}
            names |= {n.attr for n in ast.walk(test) if isinstance(n, ast.Attribute)}
            return "dry_run" in names
    return False


def places(paths: Iterator[Path], wrong: object) -> list[str]:
    return [
        f"{path.relative_to(APPS)}:{node.lineno}"  # type: ignore[attr-defined]
        for path in paths
        for node in nodes(path)
        if wrong(node)  # type: ignore[operator]
    ]


def test_there_is_no_float_in_money_code() -> None:
    assert places(sources(*MONEY), is_float) == []


def test_no_service_asks_whether_this_is_a_dry_run() -> None:
    services = list(APPS.rglob("services*/**/*.py"))
    services += APPS.rglob("services.py")
    assert services
    assert places(iter(services), asks_about_dry_run) == []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("x = float(y)", True),
        ("x = 0.05", True),
        ("x: float", True),
        ("x = models.FloatField()", True),
        ("x = 5", False),
        ("x = Decimal('0.05')", False),
    ],
)
def test_floats_are_found(code: str, wrong: bool) -> None:
    assert any(is_float(node) for node in ast.walk(ast.parse(code))) is wrong


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("if dry_run: pass", True),
        ("if not report.dry_run: pass", True),
        ("x = 1 if dry_run else 2", True),
        ("Report(dry_run=dry_run)", False),
        ("report.worded('Did', would='Would do')", False),
    ],
)
def test_questions_about_dry_runs_are_found(code: str, wrong: bool) -> None:
    assert any(asks_about_dry_run(node) for node in ast.walk(ast.parse(code))) is wrong
