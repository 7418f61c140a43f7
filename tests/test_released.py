"The authors' files through the command line: prompts imported, from a file and from a hub; photographs scored as they were trained to see them."
import os, re, subprocess, sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd, pytest, torch
from reference import checkpoint
from test_cli import call

from grmp_iqa.clip.checkpoints import prompt_card, read_prompts
from grmp_iqa.data.samples import pristine_photos
from grmp_iqa.scoring import Scorer
from grmp_iqa.evidence.released import from_reference

COMMAND = Path(sys.executable).with_name('grmp-iqa')


def run(*args, **env):
    return subprocess.run([COMMAND, *map(str, args)], capture_output=True, text=True, env={**os.environ, **env})

@pytest.fixture(scope='module')
def theirs(tmp_path_factory):
    "A file of the authors, with its text encoder's heads as wide as OpenAI's so that it needs no further word"
    file = tmp_path_factory.mktemp('released')/'clive_50_prompt_lda_5.0.pt'
    torch.save({'state_dict': {f'module.{k}': v for k, v in checkpoint().items()}}, file)
    return file


def test_prompts_are_imported(theirs, tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, capsys, 'import-prompts', theirs, '--out', tmp_path/'prompts.safetensors') == (0, '')
    card, state = read_prompts(tmp_path/'prompts.safetensors')
    assert card['crops']['resample'] == 'opencv' and card['training'] == {'imported': theirs.name}
    assert torch.equal(state['text_prompt.context'], checkpoint()['prompt_learner2.ctx'])

@contextmanager
def hub(file, name):
    "A server that answers for one file of one repository as the Hugging Face hub does"
    asked = []
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            there = re.fullmatch(rf'/{name}/resolve/[^/]+/{re.escape(file.name)}', self.path)
            self.send_response(200 if there else 404)
            data = file.read_bytes() if there else b''
            for k, v in {'Content-Length': len(data), 'ETag': '"abc"', 'X-Repo-Commit': 'c'*40}.items(): self.send_header(k, str(v))
            self.end_headers()
            if self.command == 'GET': self.wfile.write(data)
        do_HEAD = do_GET
        def log_message(self, *args): return
    server = ThreadingHTTPServer(('127.0.0.1', 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try: yield f'http://127.0.0.1:{server.server_port}', asked
    finally: server.shutdown()

def test_the_hub_is_asked_only_with_permission_and_once(theirs, tmp_path):
    source, out = f'hf://zzhowe/GRMP-IQA/{theirs.name}', tmp_path/'prompts.safetensors'
    with hub(theirs, 'zzhowe/GRMP-IQA') as (address, asked):
        where = dict(HF_ENDPOINT=address, HF_HOME=str(tmp_path/'home'))
        refused = run('import-prompts', source, '--out', out, **where)
        assert refused.returncode == 2 and '--download' in refused.stderr and asked == [] and not out.exists()
        assert run('import-prompts', source, '--out', out, '--download', **where).returncode == 0 and asked
        asked.clear()
        assert run('import-prompts', source, '--out', tmp_path/'again.safetensors', **where).returncode == 0 and asked == []
        missing = run('import-prompts', 'hf://zzhowe/GRMP-IQA/no.pt', '--out', tmp_path/'no.safetensors', '--download', **where)
    assert missing.returncode == 2 and 'could not be fetched' in missing.stderr and not (tmp_path/'no.safetensors').exists()
    assert prompt_card(out) == prompt_card(tmp_path/'again.safetensors')

def test_a_released_model_scores_as_it_was_trained(theirs, tmp_path, monkeypatch, capsys):
    photo, out = list(pristine_photos().values())[0], tmp_path/'scores.csv'
    done = call(monkeypatch, capsys, 'score', photo, '--scorer', f'released:{theirs}', '--out', out, '--precision', 'float32', '--device', 'cpu')
    assert done == (0, '')
    expected = Scorer.from_model(from_reference(theirs), precision='float32')
    assert expected.crops.resample == 'opencv' and expected.card['views']['mean'] == (.485, .456, .406)
    assert pd.read_csv(out).score[0] == pytest.approx(expected(photo), abs=1e-6)

@pytest.mark.parametrize('source, says', [('nowhere.pt', 'no file'), ('hf://zzhowe', 'owner/repository/file')])
def test_a_wrong_source_is_one_sentence(source, says, tmp_path, monkeypatch, capsys):
    status, text = call(monkeypatch, capsys, 'import-prompts', source, '--out', tmp_path/'prompts.safetensors')
    assert status == 2 and says in text and len(text.strip().splitlines()) == 1 and list(tmp_path.iterdir()) == []
