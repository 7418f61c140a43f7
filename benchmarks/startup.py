"""How long a command takes to start: seconds of `--help`, and of the score of one photograph, medians of several runs.

    python benchmarks/startup.py                                  # this version
    python benchmarks/startup.py --before COMMIT                  # beside another version, which is checked out aside
    python benchmarks/startup.py --before COMMIT --csv nbs/results/startup.csv
"""
import argparse, os, resource, statistics, subprocess, sys, tempfile, time
from pathlib import Path

import pandas as pd
from grmp_iqa.data.samples import sample_photos

ROOT = Path(__file__).parent.parent
LINES = {'--help': ['--help'], 'score PHOTO': None}


def once(root, args):
    "Seconds on the clock and of the processor, of one run of a command of the version in `root`."
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    code = 'import sys; from grmp_iqa.cli import main; main()'
    subprocess.run([sys.executable, '-c', code, *map(str, args)], cwd=root, env=os.environ | {'PYTHONPATH': str(root)}, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measured(root, version, repeats):
    "A row for each line: medians, after one run that only fills the disk's cache."
    photo = sorted(sample_photos()[0].glob('*.jpg'))[0]
    for line, args in LINES.items():
        runs = [once(root, args or ['score', photo]) for _ in range(repeats + 1)][1:]
        clock, processor = (round(statistics.median(r), 2) for r in zip(*runs))
        yield dict(version=version, command=line, seconds=clock, processor_seconds=processor, repeats=repeats, load=round(os.getloadavg()[0], 1))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--before', help='a commit to compare with')
    p.add_argument('--repeats', type=int, default=5)
    p.add_argument('--csv', type=Path, help='table to write')
    args, rows = p.parse_args(), []
    if args.before:
        with tempfile.TemporaryDirectory() as aside:
            subprocess.run(f'git archive {args.before} grmp_iqa | tar -x -C {aside}', shell=True, cwd=ROOT, check=True)
            rows += measured(aside, args.before, args.repeats)
    rows += measured(ROOT, 'this', args.repeats)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if args.csv: table.to_csv(args.csv, index=False)

if __name__ == '__main__': main()
