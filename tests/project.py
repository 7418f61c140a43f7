"Where the project's notebooks and modules are, and their order: what the tests here share."
import os, re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = [o for o in sorted((ROOT/'nbs').rglob('*.ipynb')) if not re.search(r'/[._]', o.relative_to(ROOT).as_posix())]
MODULES = [o for o in sorted((ROOT/'grmp_iqa').rglob('[a-z]*.py'))]
COURSE = [o for o in NOTEBOOKS if o.parent.name == 'course']
CHAPTERS = [o for o in COURSE if re.match(r'ch\d\d_', o.name)]

#: notebooks that run at a time, each on one thread
JOBS = int(os.environ.get('GRMP_IQA_TEST_JOBS', os.cpu_count() or 1))

def stem(path):
    "How a notebook or module is called in a test's name: its path without the folder of all and the suffix"
    return path.relative_to(ROOT).with_suffix('').as_posix().split('/', 1)[1]

def module_name(path):
    "`data.images` for grmp_iqa/data/images.py"
    return stem(path).replace('/', '.')

#: module name -> its place, from the notebook's number: nbs/data/10_images.ipynb is data.images, 10
ORDER = {re.sub(r'\d\d_', '', stem(o)).replace('/', '.'): int(m[1]) for o in NOTEBOOKS if (m := re.match(r'(\d\d)_', o.name))}
