"""How much the notebooks explain: words of prose for each exported line, and figures.

    python benchmarks/prose.py                # all notebooks
    python benchmarks/prose.py nbs/3*.ipynb   # some
"""
import json, re, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def words(source: str) -> int:
    "Words of a Markdown cell, without its code and equations"
    source = re.sub(r'```.*?```|\$\$.*?\$\$', '', source, flags=re.S)
    return len(re.findall(r"[A-Za-z][\w'-]*", source))

def exported_lines(source: str) -> int:
    "Lines of an exported cell that say something: no directive, no import, not blank"
    if not re.search(r'^#\|\s*export', source, re.M): return 0
    return len([l for l in source.splitlines() if l.strip() and not l.startswith('#|') and not re.match(r'(from|import) ', l)])

def count(notebook: Path) -> tuple:
    "(words, exported lines, figures) of a notebook"
    cells = [(c['cell_type'], ''.join(c['source']), c.get('outputs', [])) for c in json.loads(notebook.read_text(encoding='utf-8'))['cells']]
    figures = sum('image/png' in o.get('data', {}) or 'image/jpeg' in o.get('data', {}) for *_, outputs in cells for o in outputs)
    return sum(words(s) for kind, s, _ in cells if kind == 'markdown'), sum(exported_lines(s) for kind, s, _ in cells if kind == 'code'), figures


if __name__ == '__main__':
    print('| notebook | words | exported lines | words a line | figures |\n| --- | --- | --- | --- | --- |')
    for path in [Path(p).resolve() for p in sys.argv[1:]] or sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if not re.search(r'/[._]', p.relative_to(ROOT).as_posix())):
        n, lines, figures = count(path)
        print(f"| {path.relative_to(ROOT/'nbs').with_suffix('').as_posix()} | {n} | {lines} | {f'{n/lines:.1f}' if lines else ''} | {figures} |")
