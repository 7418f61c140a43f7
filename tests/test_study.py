"The three studies in miniature: what they write, that they go on, and their mistakes."
import sys

import pandas as pd, pytest
from grmp_iqa.cli import main
from grmp_iqa.core import IQAError
from grmp_iqa.data.distortions import DISTORTIONS
from grmp_iqa.evidence import study as studies
from grmp_iqa.evidence.baselines import HALVES
from grmp_iqa.evidence.study import DEFAULT, SHOWN, designed, study

KINDS = list(DISTORTIONS)[:6]
SMALL = {'halves': dict(draws=2, grid=dict(inner_lr=(0., .1), outer_lr=(.01,), visual_tokens=(2,)), epochs=1, shots=4, tune=1, kinds=KINDS),
         'inner': dict(draws=2, rates=(.1,), steps=(1, 2), epochs=1, tokens=2, size=4, kinds=KINDS, photos=3),
         'shortcuts': dict(draws=2, rs=(0., .9), lams=(5.,), alone=dict(rule=('conflicting',), epochs=(11,), prompts=('trained',)), shots=9, each=1)}


@pytest.fixture(scope='module')
def made(backbone, tmp_path_factory):
    "Name -> (backbone, table) of each study"
    out = tmp_path_factory.mktemp('studies')
    return {name: (out/name, study(name, out/name, backbone, device='cpu', progress=False, **how)) for name, how in SMALL.items()}


@pytest.mark.parametrize('name', SMALL)
def test_writes_table_page_and_figure(made, name):
    out, table = made[name]
    pd.testing.assert_frame_equal(pd.read_csv(out/'table.csv'), table)
    assert (table.low <= table['median'] + 1e-4).all() and (table['median'] <= table.high + 1e-4).all()
    assert (out/'figure.png').stat().st_size > 5000
    page = (out/'table.md').read_text()
    assert all(f'**{p}**' in page for p in table.panel.unique()) and all(s in page for s in table.setting)
    shown = set(map(tuple, table[['panel', 'measure']].to_numpy()))
    assert set(SHOWN[name]) <= shown

@pytest.mark.parametrize('name', SMALL)
def test_repeats_nothing(made, backbone, name, monkeypatch):
    out, table = made[name]
    def never(*args, **kwargs): raise AssertionError('run again')
    for what in ('meta_pretrain', 'iqa_learner'): monkeypatch.setattr(studies, what, never)
    monkeypatch.setattr('grmp_iqa.evidence.evaluation.one_run', never)
    again = study(name, out, backbone, device='cpu', progress=False, **SMALL[name])
    pd.testing.assert_frame_equal(again, table)

def test_goes_on_where_it_was(made, backbone, tmp_path):
    "A run that was lost is made again, and is the same"
    out, table = made['shortcuts']
    study('shortcuts', tmp_path/'part', backbone, device='cpu', progress=False, **SMALL['shortcuts'] | dict(draws=1))
    whole = study('shortcuts', tmp_path/'part', backbone, device='cpu', progress=False, **SMALL['shortcuts'])
    pd.testing.assert_frame_equal(whole, table)

def test_halves_choose_on_held_out_kinds_and_measure_other_photographs(made):
    out, table = made['halves']
    practised, measured = studies.dealt_photos()
    assert not set(practised.values()) & set(measured.values())
    for panel in ('sample photographs', 'damaged photographs'):
        assert table[(table.panel == panel) & (table.measure == 'SRCC')].setting.tolist() == HALVES
    grid = pd.read_csv(out/'grid.csv')
    chosen = table[table.setting.str.endswith('(chosen)') & (table.measure == 'held-out loss')]
    assert len(chosen) == 1 and chosen['median'].item() == pytest.approx(grid.loss.min(), abs=1e-4)

def test_inner_rate_zero_is_joint_training_adapted_in_every_way(made):
    table = made['inner'][1].set_index(['panel', 'setting', 'measure'])['median']
    joint = table['joint training'].unstack()
    assert list(joint.index) == ['rate 0.1, 1 step', 'rate 0.1, 2 steps'] and joint['loss before'].nunique() == 1
    assert (joint['loss after'] != joint['loss before']).all()
    runs = pd.read_csv(made['inner'][0]/'runs.csv')
    pairs = runs.pivot(index=['draw', 'at'], columns='rate', values='loss after')
    gain = (pairs[.1] - pairs[0.]).groupby('at').median()
    assert table['meta-learning'].unstack()['loss over joint training'].to_numpy() == pytest.approx(gain.to_numpy(), abs=1e-4)

def test_shortcuts_pair_each_run_with_lambda_0(made):
    runs = pd.read_csv(made['shortcuts'][0]/'runs.csv')
    assert len(runs) == 2*len(designed((0., .9), (5.,), SMALL['shortcuts']['alone']))
    plain = runs[runs.lam == 0]
    assert not plain.removed.any() and not plain.duplicated(['draw', 'r', 'epochs', 'prompts']).any()
    table = made['shortcuts'][1]
    alone = table[(table.panel == 'one at a time') & (table.measure == 'SRCC over lambda 0')]
    assert set(alone.setting) == {'default', 'rule conflicting', 'epochs 11', 'prompts trained'}
    told = table[table.measure == 'quality told by the scene'].set_index('setting')['median']
    assert told['r 0.9, lambda 5'] > told['r 0, lambda 5']

def test_the_written_design_is_not_the_full_product():
    plan = designed()
    assert len(plan) < 30 and DEFAULT in plan
    for s in plan: assert any(p['lam'] == 0 and all(p[k] == s[k] for k in ('r', 'epochs', 'prompts')) for p in plan)


@pytest.fixture
def call(monkeypatch, capsys):
    "Exit status and stderr of `grmp-iqa study`"
    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['grmp-iqa', 'study', *map(str, args)])
        try: main(); status = 0
        except SystemExit as e: status = e.code or 0
        return status, capsys.readouterr()
    return run

def test_command(made, backbone, call, monkeypatch):
    out, _ = made['shortcuts']
    monkeypatch.setitem(studies.STUDIES, 'shortcuts', (studies.study_shortcuts, SMALL['shortcuts']))
    status, printed = call('shortcuts', '--full', '--draws', 2, '--backbone', backbone, '--out', out, '--device', 'cpu')
    assert status == 0 and '**one at a time**' in printed.out and str(out) in printed.out

@pytest.mark.parametrize('args, said', [(['havles'], "'halves'"), (['inner', '--backbone', 'EMPTY'], 'EMPTY'), (['inner', '--draws', 0], 'draws')])
def test_mistakes_are_one_sentence_and_leave_nothing(tmp_path, call, args, said):
    (tmp_path/'EMPTY').mkdir()
    args = [tmp_path/a if a == 'EMPTY' else a for a in args]
    status, printed = call(*args, '--out', tmp_path/'out', '--device', 'cpu')
    assert status == 2 and said in printed.err and not (tmp_path/'out').exists()

def test_a_folder_of_something_else_is_left_alone(made, backbone, tmp_path, call):
    out, _ = made['shortcuts']
    status, printed = call('inner', '--backbone', backbone, '--out', out, '--device', 'cpu')
    assert status == 2 and "study='shortcuts'" in printed.err
    status, printed = call('shortcuts', '--backbone', 'tiny', '--out', out, '--device', 'cpu')   # other weights
    assert status == 2 and '--backbone backbone0' in printed.err
    (tmp_path/'thesis').mkdir(); (tmp_path/'thesis'/'chapter.txt').write_text('mine')
    with pytest.raises(IQAError, match='thesis'): study('inner', tmp_path/'thesis', backbone, device='cpu')
