"A module imports only from lower numbers, and what people import first stays light."
import ast, builtins, importlib, subprocess, sys

import pytest, yaml
from project import MODULES, NOTEBOOKS, ORDER, ROOT, module_name, stem


def imported(source, module='x'):
    "Modules of the package that the source of `module` imports, at any nesting, absolute or relative"
    found, here = set(), ['grmp_iqa', *module.split('.')]
    def add(name):
        parts = name.split('.')
        if parts[0] == 'grmp_iqa': found.update('.'.join(parts[1:n]) for n in range(2, len(parts) + 1) if '.'.join(parts[1:n]) in ORDER)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for o in node.names: add(o.name)
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(filter(None, ['.'.join(here[:-node.level]) if node.level else '', node.module]))
            for o in node.names: add(f'{base}.{o.name}')
    return found


@pytest.mark.parametrize('source', ['import grmp_iqa.tasks', 'import os, grmp_iqa.tasks as t', 'from grmp_iqa.tasks import Task',
    'from grmp_iqa import tasks', 'from .tasks import *', 'from . import tasks', 'def f():\n    if 1: from grmp_iqa.tasks import Task'])
def test_every_form_of_import_is_seen(source): assert imported(source) == {'tasks'}

@pytest.mark.parametrize('source', ['import grmp_iqa.data.images', 'from grmp_iqa.data import images', 'from .images import *', 'from . import images',
    'from ..data.images import open_image'])
def test_folders_are_seen(source): assert imported(source, 'data.scenes') == {'data.images'}


def test_each_numbered_notebook_is_one_module(): assert {module_name(o) for o in MODULES} == set(ORDER)

def test_no_number_twice(): assert len(set(ORDER.values())) == len(ORDER)

@pytest.mark.parametrize('module', MODULES, ids=stem)
def test_imports_only_from_lower_numbers(module):
    lower = {o for o in ORDER if ORDER[o] < ORDER[module_name(module)]}
    assert imported(module.read_text(encoding='utf-8'), module_name(module)) - lower == set()

@pytest.mark.parametrize('module', MODULES, ids=stem)
def test_is_one_screenful_of_ideas(module): assert len(module.read_text(encoding='utf-8').splitlines()) <= 350

def test_the_root_is_the_method():
    "Whoever opens the folder sees the method, between what it stands on and the commands"
    assert sorted((o for o in ORDER if '.' not in o), key=ORDER.get) == ['core', 'prompts', 'losses', 'tasks', 'meta', 'gradients', 'scoring', 'learner', 'cli']

def test_the_sidebar_names_every_notebook_in_reading_order():
    sections = yaml.safe_load((ROOT/'nbs'/'_quarto.yml').read_text(encoding='utf-8'))['website']['sidebar']['contents']
    listed = [o.removesuffix('.ipynb') for s in sections for o in s['contents']]
    assert sorted(listed) == sorted(map(stem, NOTEBOOKS))
    for s in sections:
        numbers = [int(o.split('/')[-1][:2]) for o in s['contents'] if o.split('/')[-1][:2].isdigit()]
        assert numbers == sorted(numbers)


def test_learner_loads_neither_kornia_nor_typer():
    code = "import sys, grmp_iqa.learner; print(*{'kornia', 'typer'} & set(sys.modules))"
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []

@pytest.mark.parametrize('module', MODULES, ids=stem)
def test_every_name_is_defined(module):
    "In a notebook a cell that is not exported may have imported what an exported one uses"
    from pyflakes.checker import Checker
    found = Checker(ast.parse(module.read_text(encoding='utf-8'))).messages
    assert [f'line {m.lineno}: {m.message_args[0]}' for m in found if type(m).__name__ == 'UndefinedName'] == []
    by_star = {m.message_args[0] for m in found if type(m).__name__ == 'ImportStarUsage'}   # defined, if one of the modules has it
    if by_star: assert by_star <= {*vars(importlib.import_module(f'grmp_iqa.{module_name(module)}')), *vars(builtins)}
