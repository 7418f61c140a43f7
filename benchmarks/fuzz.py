"""Coverage-guided fuzzing of the readers of strangers' files, by atheris (`pip install atheris`):

    python benchmarks/fuzz.py ratings --seconds 300

feeds the reader with bytes that reach ever more of its code, until the time is up or something other than an `IQAError` comes out of it; then the bytes are
kept in a file, and Python's message is printed. Readers: ratings card header checkpoint pickle mat sheet csv archive. `--file FILE` gives the reader a file that was kept.
"""
import argparse, os, sys, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]/'tests'))

def main():
    ask = argparse.ArgumentParser(description='Fuzz a reader.')
    ask.add_argument('reader'); ask.add_argument('--seconds', type=float, default=60); ask.add_argument('--file', type=Path)
    ask.add_argument('--csv', type=Path, help='table to write to; the rows of other readers stay')
    given = ask.parse_args()
    try: import atheris
    except ImportError: sys.exit('Fuzzing by coverage needs a package that is missing: pip install atheris (Linux), or use tests/test_fuzz.py.')
    import numpy, open_clip, pandas, pydantic, safetensors.torch, scipy.io, torch   # these first: they are not to be watched
    with atheris.instrument_imports(include=['grmp_iqa', 'tarfile', 'zipfile', 'pickle', 'csv']):
        import grmp_iqa.scoring, grmp_iqa.data.databases   # what the readers import when they are called
        from fuzzing import READERS, seeds, tried
    if given.reader not in READERS: sys.exit(f'Unknown reader {given.reader!r}: choose from {", ".join(READERS)}.')
    if given.file: return print(tried(given.reader, given.file.read_bytes()))
    corpus, end, counts = Path('fuzz')/given.reader, time.time() + given.seconds, {True: 0, False: 0}
    corpus.mkdir(parents=True, exist_ok=True)
    for i, good in enumerate(seeds(given.reader)): (corpus/f'good-{i}').write_bytes(good)

    def one(data):
        counts[tried(given.reader, data)] += 1
        if time.time() > end:
            print(f'{given.reader}: {sum(counts.values()):,} files in {given.seconds:g} s, {counts[True]:,} read and {counts[False]:,} refused in one sentence, none broke it', flush=True)
            if given.csv:
                old = pandas.read_csv(given.csv) if given.csv.exists() else pandas.DataFrame(dict(reader=[]))
                row = dict(reader=given.reader, files=sum(counts.values()), read=counts[True], refused=counts[False], seconds=given.seconds)
                pandas.DataFrame([*old[old.reader != given.reader].to_dict('records'), row]).sort_values('reader').to_csv(given.csv, index=False)
            os._exit(0)
    atheris.Setup([sys.argv[0], str(corpus), '-rss_limit_mb=4000', '-max_len=20000', f'-artifact_prefix={corpus}-broke-', '-print_final_stats=0', '-verbosity=0'], one)
    atheris.Fuzz()

if __name__ == '__main__': main()
