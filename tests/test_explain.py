"`grmp-iqa explain`: the files it writes, and one sentence for every mistake with nothing half-written."
import pytest
from grmp_iqa.evidence.pages import page_faults
from test_cli import call, rated_folder


@pytest.fixture
def photos(tmp_path):
    "A folder of eight of the photographs that ship, with their ratings and scenes"
    return rated_folder(tmp_path/'photos', 25, 8)


def test_two_photographs(photos, monkeypatch, capsys):
    out = photos.parent/'why'
    for _ in range(2):   # the second time it replaces what it wrote
        assert call(monkeypatch, capsys, 'explain', photos/'0.jpg', photos/'7.jpg', '--out', out, '--rated', photos, 'ratings.csv')[0] == 0
    assert sorted(o.name for o in out.iterdir()) == ['01-0.png', '02-7.png', 'explained.html', 'features.png']
    assert page_faults(out/'explained.html') == []
    page = (out/'explained.html').read_text(encoding='utf-8')
    assert page.count('Scores ') >= 2 and 'Attributes' in page
    assert sorted(o.name for o in photos.parent.iterdir()) == ['photos', 'why']

@pytest.mark.parametrize('args, named', [
    (['PHOTOS/no.jpg'], 'no.jpg'),
    (['PHOTOS/0.jpg', '--scorer', 'PHOTOS'], 'card.json'),
    (['PHOTOS/0.jpg', '--backbone', 'tinny'], 'tiny'),
    (['PHOTOS/0.jpg', '--rated', 'PHOTOS', 'no.csv'], 'no.csv'),
    (['PHOTOS/0.jpg', '--device', 'abacus'], 'abacus')])
def test_mistakes(args, named, photos, monkeypatch, capsys):
    out, before = photos.parent/'why', sorted(photos.iterdir())
    status, err = call(monkeypatch, capsys, 'explain', *[a.replace('PHOTOS', str(photos)) for a in args], '--out', out)
    assert status == 2 and named in err and err.strip().count('\n') == 0
    assert not out.exists() and sorted(photos.iterdir()) == before

def test_another_folder_is_left_alone(photos, monkeypatch, capsys):
    before = sorted(photos.iterdir())
    status, err = call(monkeypatch, capsys, 'explain', photos/'0.jpg', '--out', photos)
    assert status == 2 and 'another folder' in err and sorted(photos.iterdir()) == before
