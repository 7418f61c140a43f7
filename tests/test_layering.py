"A module imports only from lower numbers, and what people import first stays light."
import ast, subprocess, sys

import pytest
from project import MODULES, ORDER, stem


def imported(source):
    "Names that `source` imports from the package, at any nesting, absolute or relative"
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import): names += [o.name for o in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(filter(None, ['grmp_iqa' if node.level else '', node.module]))
            names += [f'{base}.{o.name}' for o in node.names]
    return {o.split('.')[1] for o in names if o.startswith('grmp_iqa.')}


@pytest.mark.parametrize('source', ['import grmp_iqa.tasks', 'import os, grmp_iqa.tasks as t', 'from grmp_iqa.tasks import Task',
    'from grmp_iqa import tasks', 'from .tasks import *', 'from . import tasks', 'def f():\n    if 1: from grmp_iqa.tasks import Task'])
def test_every_form_of_import_is_seen(source): assert imported(source) == {'tasks'}


def test_each_numbered_notebook_is_one_module(): assert {stem(o) for o in MODULES} == set(ORDER)


@pytest.mark.parametrize('module', MODULES, ids=stem)
def test_imports_only_from_lower_numbers(module):
    lower = {o for o in ORDER if ORDER[o] < ORDER[module.stem]}
    assert imported(module.read_text(encoding='utf-8')) - lower - {'__version__'} == set()


def test_learner_loads_neither_kornia_nor_typer():
    code = "import sys, grmp_iqa.learner; print(*{'kornia', 'typer'} & set(sys.modules))"
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
