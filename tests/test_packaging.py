"The package is what settings.ini says, the wheel holds it all, and .ci/run runs what the README says."
import ast, csv, re, subprocess, sys, zipfile
from configparser import ConfigParser
from importlib import metadata

import grmp_iqa, pytest
from docsite import pictures, readme
from project import MODULES, ROOT, stem

try: import tomllib
except ModuleNotFoundError: import tomli as tomllib  # Python 3.10

settings = ConfigParser(delimiters=['='], interpolation=None)
settings.read(ROOT/'settings.ini', encoding='utf-8')
settings = settings['DEFAULT']

#: what `pip install "grmp-iqa[NAME]"` adds
EXTRAS = 'bench', 'app', 'formats', 'onnx', 'ray'

def lines(key): return settings[key].strip().splitlines()
def name(requirement): return re.match(r'[\w.-]+', requirement)[0].lower().replace('_', '-')
def text(path): return (ROOT/path).read_text(encoding='utf-8')


# --- metadata

def test_installed_metadata_is_that_of_settings():
    m = metadata.metadata('grmp-iqa')
    assert m['Version'] == grmp_iqa.__version__
    for key, field in dict(description='Summary', author='Author', license='License-Expression').items(): assert m[field] == settings[key]
    assert m['Keywords'].split(',') == settings['keywords'].split(', ')

def test_installed_requirements_are_those_of_settings():
    joined = lambda o, extra: f'{o} and extra == "{extra}"' if ';' in o else f'{o}; extra == "{extra}"'
    extras = {joined(o, extra) for extra in ('dev', *EXTRAS) for o in lines(f'{extra}_requirements')}
    assert set(metadata.requires('grmp-iqa')) == {*lines('requirements'), *extras}

def test_installed_commands_are_those_of_settings():
    groups = {'console_scripts': 'console_scripts', 'nbdev': 'nbdev', 'pyiqa.archs': 'pyiqa_archs'}
    found = {g: [f'{o.name} = {o.value}' for o in metadata.distribution('grmp-iqa').entry_points if o.group == g] for g in groups}
    assert found == {g: lines(key) for g, key in groups.items()}

def test_nothing_is_said_twice():
    project = tomllib.loads(text('pyproject.toml'))['project']
    assert set(project) == {'name', 'requires-python', 'urls', 'dynamic'}
    strings = {o.value for o in ast.walk(ast.parse(text('setup.py'))) if isinstance(o, ast.Constant) and isinstance(o.value, str)}
    values = {line for key in settings for line in lines(key)}
    assert not strings & values and not [o for o in strings if re.match(r'[\w.-]+\s*[<>=~!]', o)]
    assert not set(settings) & {'name', 'version', 'lib_name', 'min_python'}

def packages(nodes):
    "What import statements import, by the name of the package, without Python's own and ours"
    roots = {a.name.split('.')[0] for o in nodes if isinstance(o, ast.Import) for a in o.names}
    roots |= {o.module.split('.')[0] for o in nodes if isinstance(o, ast.ImportFrom) and not o.level}
    return roots - {*sys.stdlib_module_names, 'grmp_iqa'}

@pytest.mark.parametrize('module', MODULES, ids=stem)
def test_imports_only_what_is_required(module):
    "What an extra installs may be imported inside of functions alone"
    tree, provided = ast.parse(module.read_text(encoding='utf-8')), metadata.packages_distributions()
    missing = lambda roots, required: [o for o in sorted(roots) if not required & {name(d) for d in provided.get(o, [])}]
    required = {name(o) for o in lines('requirements')}
    optional = {name(o) for extra in EXTRAS for o in lines(f'{extra}_requirements')}
    assert not missing(packages(ast.walk(tree)), required | optional)
    assert not missing(packages(tree.body), required)


# --- the wheel

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    "Names in the wheel that is built from the source archive, as a release is"
    out = tmp_path_factory.mktemp('dist')
    subprocess.run([sys.executable, '-m', 'build', '--no-isolation', '--outdir', out, ROOT], check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob('*.whl'))).namelist()

def test_wheel_holds_every_file_of_the_package(wheel):
    package = {o.relative_to(ROOT).as_posix() for o in (ROOT/'grmp_iqa').rglob('*') if o.is_file() and '__pycache__' not in o.parts}
    assert package == {o for o in wheel if o.startswith('grmp_iqa/')}

def test_wheel_holds_the_tiny_weights(wheel): assert [o for o in wheel if re.match(r'grmp_iqa/weights/tiny.*\.safetensors$', o)]

def test_wheel_holds_the_photographs_and_their_licences(wheel):
    photos = [o for o in wheel if o.startswith('grmp_iqa/photos/')]
    assert len([o for o in photos if o.endswith('.jpg')]) == 220
    for folder in ('sample', 'pristine'): assert {f'grmp_iqa/photos/{folder}/{o}' for o in ('LICENSE.md', 'README.md')} <= set(photos)

def test_wheel_holds_nothing_else(wheel):
    assert {o.split('/')[0] for o in wheel} == {'grmp_iqa', f'grmp_iqa-{grmp_iqa.__version__}.dist-info'}

def test_wheel_holds_the_licence(wheel): assert [o for o in wheel if o.endswith('dist-info/licenses/LICENSE')]


# --- the README's two command lines

def readme_lines(): return re.findall(r'^python3 -m venv .*$', text('README.md'), re.M)

# Stands in for every program the two lines call: notes the call, and as `python3 -m venv` makes the others.
STUB = '''#!/bin/sh
echo "$(basename "$0") $*" >> calls
if [ "$1 $2" = "-m venv" ]; then
    if [ -e "$3" ]; then echo "$3 is not fresh" >> calls; fi
    mkdir -p "$3/bin"; for o in pip pytest grmp-iqa; do cp "$0" "$3/bin/$o"; done
fi
case "$(basename "$0")" in "$FAIL") exit 3;; esac
'''

def ci_run(folder, fail=''):
    "Exit status of a copy of .ci/run among stubs, and the calls it made"
    for o in ('.ci', 'bin'): (folder/o).mkdir()
    for path, source in {'.ci/run': text('.ci/run'), 'README.md': text('README.md'), 'bin/python3': STUB}.items():
        (folder/path).write_text(source, encoding='utf-8')
    (folder/'bin/python3').chmod(0o755)
    status = subprocess.run(['bash', '.ci/run'], cwd=folder, env=dict(PATH=f'{folder}/bin:/usr/bin:/bin', FAIL=fail)).returncode
    return status, (folder/'calls').read_text().splitlines()

def test_readme_has_a_line_for_users_and_one_for_developers():
    demo, test = readme_lines()
    assert demo.endswith('/grmp-iqa demo') and test.endswith('/pytest')

def test_ci_runs_the_second_line_then_the_first(tmp_path):
    demo, test = readme_lines()
    as_called = lambda line: [o.replace('.venv/bin/', '').replace('"', '') for o in line.split(' && ')]
    status, calls = ci_run(tmp_path)
    assert status == 0 and [o.strip() for o in calls] == as_called(test) + as_called(demo)

@pytest.mark.parametrize('program', ['pip', 'pytest', 'grmp-iqa'])
def test_ci_fails_where_a_step_fails(program, tmp_path):
    status, calls = ci_run(tmp_path, fail=program)
    assert status != 0 and calls[-1].split()[0] == program


# --- what is committed

def test_no_text_names_a_registry_or_a_machine():
    try: listed = subprocess.run(['git', 'ls-files', '-z', '-co', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError): pytest.skip('needs a git checkout')
    bad = re.compile(r'pypi\.org|pythonhosted\.org|registry\.npmjs|download\.pytorch|(?<![\w.])/(?:work|farm|root|home|Users)/\w|site-packages/\w')
    found = []
    for path in listed.split('\0'):
        try: found += [f'{path}: {m[0]}' for m in bad.finditer(text(path))]
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError): continue  # not a text, or deleted and not yet committed
    assert found == []

def test_readme_is_the_index_notebook(): assert text('README.md') == readme()

def test_readme_shows_the_figures_of_the_tour():
    for file, picture in pictures().items(): assert file.read_bytes() == picture, f'{file.name}: python tests/docsite.py README.md'

def test_readme_shows_the_table_that_the_demo_wrote():
    rows = list(csv.reader((ROOT/'nbs'/'results'/'demo.csv').read_text(encoding='utf-8').splitlines()))
    table = '\n'.join('| ' + ' | '.join(r) + ' |' for r in [rows[0], ['---']*len(rows[0]), *rows[1:]])
    assert table in text('README.md')
