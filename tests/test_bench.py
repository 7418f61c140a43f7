"The bench on small trees in the published layout: every method is a row, with its figures or with the reason why not."
import sys

import numpy as np, pandas as pd, pytest, torch
from grmp_iqa.cli import main
from grmp_iqa.data.images import open_image
from grmp_iqa.data.samples import sample_photos
from grmp_iqa.evidence import baselines, bench
from grmp_iqa.evidence.evaluation import PUBLISHED
from scipy.io import savemat

FOLDER, RATINGS = sample_photos()
RATED = pd.read_csv(RATINGS).sort_values('mos').reset_index(drop=True)


@pytest.fixture
def root(tmp_path):
    "Small trees of LIVE Challenge and KonIQ-10k, of other photographs each"
    livec, koniq = RATED.iloc[::10][:16], RATED.iloc[5::10][:16]
    for folder in ('livec/Images', 'livec/Data', 'koniq10k/1024x768'): (tmp_path/'root'/folder).mkdir(parents=True)
    names = [f'{i}.bmp' for i in range(16)]
    small = lambda image: open_image(FOLDER/image).resize((128, 128))
    for name, image in zip(names, livec.image): small(image).save(tmp_path/'root/livec/Images'/name)
    cells = lambda values: np.array([values], dtype=object)
    savemat(tmp_path/'root/livec/Data/AllImages_release.mat', dict(AllImages_release=cells(names).T))
    savemat(tmp_path/'root/livec/Data/AllMOS_release.mat', dict(AllMOS_release=livec.mos.to_numpy()[None]*100))
    savemat(tmp_path/'root/livec/Data/AllStdDev_release.mat', dict(AllStdDev_release=np.ones((1, 16))))
    table = pd.DataFrame(dict(image_name=[f'{i}.jpg' for i in range(16)], MOS=koniq.mos.to_numpy()*100, SD=1.))
    for name, image in zip(table.image_name, koniq.image): small(image).save(tmp_path/'root/koniq10k/1024x768'/name)
    table['set'] = ['training']*8 + ['test']*8
    table.to_csv(tmp_path/'root/koniq10k/koniq10k_distributions_sets.csv', index=False)
    return tmp_path/'root'

def call(monkeypatch, capsys, root, *args):
    "Exit status, what was printed, stderr of `bench`, in this process, and the folder it wrote"
    out = root.parent/'out'
    monkeypatch.setattr(sys, 'argv', ['grmp-iqa', 'bench', '--root', str(root), '--out', str(out), '--draws', '2', '--epochs', '1',
                                      '--shots', '4', *map(str, args)])
    try: main(); status = 0
    except SystemExit as e: status = e.code or 0
    return status, *capsys.readouterr(), out

def table(out, name='table'): return pd.read_csv(out/f'{name}.csv').set_index('method')


def test_a_method_that_cannot_run_is_a_row(root, monkeypatch, capsys):
    def full(shots, setting): raise torch.cuda.OutOfMemoryError('no more')
    monkeypatch.setitem(baselines.BASELINES, 'LoRA', baselines.Baseline('LoRA', full, 'fills the memory'))
    methods = 'zero-shot,linear probe,LoRA,transfer,GRMP-IQA,pyiqa:brisque'
    monkeypatch.setitem(sys.modules, 'pyiqa', None)   # not installed
    status, printed, err, out = call(monkeypatch, capsys, root, '--benchmarks', 'livec', '--methods', methods)
    rows = table(out)
    assert status == 0 and list(rows.index) == methods.split(',')
    assert rows.SRCC[['zero-shot', 'linear probe', 'GRMP-IQA']].notna().all() and rows.reason[['zero-shot', 'GRMP-IQA']].isna().all()
    for method, said in {'LoRA': '--bs', 'transfer': '--transfer-from', 'pyiqa:brisque': 'pip install pyiqa'}.items():
        assert said in rows.reason[method] and said in printed and pd.isna(rows.SRCC[method])
    runs = pd.read_csv(out/'runs.csv')
    assert set(runs.method) == {'zero-shot', 'linear probe', 'GRMP-IQA'}
    assert runs[runs.method == 'GRMP-IQA'][['angle', 'removed']].notna().all(axis=None)
    assert runs[runs.method == 'zero-shot'][['angle', 'removed']].isna().all(axis=None)
    assert 'DeQA-Score 0.890' in rows['best published']['zero-shot'] and 'DeQA-Score' in printed

def test_all_methods_are_rows(root, tmp_path, monkeypatch, capsys):
    "Without prompts for the backbone, those that need some say which command makes them"
    monkeypatch.setattr(baselines, 'fine_tuned', None)   # nothing may be trained here: it would be an error that is not caught
    for name, b in baselines.BASELINES.items():
        if b.labels is None and not b.needs: monkeypatch.setitem(baselines.BASELINES, name, baselines.Baseline(name, baselines.BASELINES['zero-shot'].fit, ''))
    for name in ('IL-NIQE', 'MA-CLIP', 'NIQE'): monkeypatch.setitem(baselines.BASELINES, name, baselines.Baseline(name, baselines.BASELINES['zero-shot'].fit, ''))
    bare = bench.load_clip('tiny')
    bare = bench.replace(bare, prompts=None)
    found = bench.bench_methods(tmp_path/'all', ['livec'], shots=(4,), draws=2, backbone=bare, root=root, progress=False).set_index('method')
    assert list(found.index) == list(baselines.BASELINES)
    lacking = found.reason[found.reason != '']
    assert list(lacking.index) == ['GRMP-IQA', 'GRMP-IQA with released MPP', 'MPP alone', 'transfer']
    assert 'grmp-iqa pretrain --backbone tiny --out prompts.safetensors' in lacking['MPP alone']
    assert '--variant released' in lacking['GRMP-IQA with released MPP'] and lacking['MPP alone'] in (tmp_path/'all'/'table.md').read_text()

def test_koniq_has_two_benchmarks(root, monkeypatch, capsys):
    status, _, _, out = call(monkeypatch, capsys, root, '--benchmarks', 'koniq10k,koniq10k-random', '--methods', 'zero-shot')
    runs = pd.read_csv(out/'runs.csv').groupby('benchmark')
    assert status == 0 and runs.n_test.first().to_dict() == {'koniq10k': 8, 'koniq10k-random': 3}
    (root/'koniq10k'/'koniq10k_distributions_sets.csv').rename(root/'koniq10k'/'koniq10k_scores_and_distributions.csv')
    lists = root/'koniq10k'/'koniq10k_scores_and_distributions.csv'
    pd.read_csv(lists).drop(columns='set').to_csv(lists, index=False)
    status, _, err, _ = call(monkeypatch, capsys, root, '--benchmarks', 'koniq10k', '--methods', 'zero-shot')
    assert status == 2 and 'koniq10k-random' in err
    assert call(monkeypatch, capsys, root, '--benchmarks', 'koniq10k-random', '--methods', 'zero-shot')[0] == 0

def test_the_papers_figures_are_for_random_splits():
    koniq = PUBLISHED[(PUBLISHED.method == 'GRMP-IQA') & PUBLISHED.benchmark.str.startswith('koniq')]
    assert set(koniq.benchmark) == {'koniq10k-random'} and PUBLISHED.source.notna().all()
    assert not PUBLISHED.duplicated(['method', 'benchmark', 'labels']).any()

def test_labels_of_one_database_and_the_test_on_another(root, monkeypatch, capsys):
    pair = ['--train-on', 'livec', '--transfer-from', 'livec', '--test-on']
    out = call(monkeypatch, capsys, root, *pair, 'koniq10k', '--methods', 'zero-shot,transfer')[-1]
    status = call(monkeypatch, capsys, root, *pair, 'koniq10k-random', '--methods', 'zero-shot')[0]
    assert status == 0 and set(table(out).benchmark) == {'livec -> koniq10k-random (all 16)'}
    runs = pd.read_csv(out/'runs.csv')   # of both calls
    assert dict(zip(runs.benchmark, runs.n_test)) == {'livec -> koniq10k (official test set)': 8, 'livec -> koniq10k-random (all 16)': 16}
    assert set(runs.labels) == {0} and runs[runs.method == 'transfer'].srcc.nunique() == 1   # one scorer for all draws

def test_sweeps(root, monkeypatch, capsys):
    status, printed, _, out = call(monkeypatch, capsys, root, '--benchmarks', 'livec', '--sweep', 'lam=5', '--sweep', 'shots=2,9', '--sweep', 'visual_tokens=50')
    rows, over = table(out), table(out, 'sweep')
    assert status == 0 and list(rows.index) == ['GRMP-IQA', *(f'GRMP-IQA, {v}' for v in ('lam=5', 'shots=2', 'shots=9', 'visual_tokens=50'))]
    assert list(over.index) == ['GRMP-IQA, lam=5', 'GRMP-IQA, shots=2']
    assert over['SRCC over the default']['GRMP-IQA, lam=5'] == '0.000 [0.000, 0.000]'
    assert '--shots 9' in rows.reason['GRMP-IQA, shots=9'] and '--visual-tokens 50' in rows.reason['GRMP-IQA, visual_tokens=50']

def test_runs_are_not_repeated(root, monkeypatch, capsys):
    args = '--benchmarks', 'livec', '--methods', 'zero-shot,linear probe'
    out = call(monkeypatch, capsys, root, *args)[-1]
    first = (out/'runs.csv').read_text(), (out/'table.csv').read_text()
    def again(*args): raise AssertionError('a run was repeated')
    monkeypatch.setattr('grmp_iqa.evidence.evaluation.one_run', again)
    assert call(monkeypatch, capsys, root, *args)[0] == 0 and first == ((out/'runs.csv').read_text(), (out/'table.csv').read_text())

@pytest.mark.parametrize('args, named', [
    (['--benchmarks', 'livecc'], 'livec'),
    (['--benchmarks', 'livec', '--methods', 'CoOpp'], 'CoOp'),
    (['--benchmarks', 'livec', '--methods', 'transfer'], '--transfer-from'),
    (['--benchmarks', 'livec', '--prompts', 'none.safetensors'], 'none.safetensors'),
    (['--benchmarks', 'livec', '--sweep', 'lamda=1'], 'lam'),
    (['--benchmarks', 'livec', '--sweep', 'rule=alined'], 'aligned'),
    (['--benchmarks', 'livec', '--sweep', 'text_tokens=many'], 'text_tokens=many'),
    (['--benchmarks', 'livec', '--sweep', 'last_blocks=99'], 'blocks'),
    (['--benchmarks', 'livec', '--methods', 'CoOp', '--sweep', 'lam=1'], 'acts on none'),
    (['--benchmarks', 'livec', '--shots', '400'], '400'),
    (['--train-on', 'livec'], '--test-on'), (['--test-on', 'livec'], '--train-on'),
    (['--train-on', 'livec', '--test-on', 'livec'], 'share none'),
    (['--sweep', 'lam=1'], '--benchmarks'),
    (['--benchmarks', 'kadid10k'], 'kadid10k')])
def test_mistakes(args, named, root, monkeypatch, capsys):
    status, _, err, out = call(monkeypatch, capsys, root, *args)
    assert status == 2 and named in err and err.startswith('grmp-iqa:') and err.strip().count('\n') == 0 and not out.exists()

def test_a_photograph_that_is_not_there(root, monkeypatch, capsys):
    (root/'livec/Images/3.bmp').unlink()
    status, _, err, out = call(monkeypatch, capsys, root, '--benchmarks', 'livec', '--methods', 'zero-shot')
    assert status == 2 and '3.bmp' in err and err.strip().count('\n') == 0 and not out.exists()

def test_a_photograph_that_cannot_be_read(root, monkeypatch, capsys):
    for i in range(16): (root/f'livec/Images/{i}.bmp').write_bytes(b'torn')
    status, _, err, out = call(monkeypatch, capsys, root, '--benchmarks', 'livec', '--methods', 'zero-shot,linear probe')
    said = err.strip().splitlines()[-1].split('\r')[-1]   # after the progress bar
    assert status == 2 and '.bmp' in err and err.strip().endswith('.') and 'Traceback' not in said and not out.exists()

def test_a_bug_is_not_taken_for_a_reason(root, monkeypatch, capsys):
    def faulty(shots, setting): return shots.no_such_column
    monkeypatch.setitem(baselines.BASELINES, 'LoRA', baselines.Baseline('LoRA', faulty, 'has a bug'))
    with pytest.raises(AttributeError): call(monkeypatch, capsys, root, '--benchmarks', 'livec', '--methods', 'LoRA,zero-shot')
