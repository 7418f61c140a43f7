"Where the project's notebooks and modules are, and their order: what the tests here share."
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = [o for o in sorted((ROOT/'nbs').rglob('*.ipynb')) if not re.search(r'/[._]', o.relative_to(ROOT).as_posix())]
MODULES = sorted((ROOT/'grmp_iqa').glob('[a-z]*.py'))

# Module name -> its place, from the notebook's number: 04_backbones is (4, ''), 04a_more is (4, 'a').
ORDER = {m[3]: (int(m[1]), m[2]) for o in NOTEBOOKS if (m := re.fullmatch(r'(\d+)([a-z]?)_(\w+)', o.stem)) and o.parent.name == 'nbs'}

def stem(path): return path.stem
