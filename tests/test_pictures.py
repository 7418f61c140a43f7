"Many bad and odd files: each ends in a score or in one sentence, and what was guessed is said."
import io, os, random, socket

import numpy as np
import pytest
from PIL import Image, ImageCms

import badfiles as bad
from grmp_iqa.clip.crops import Crops
from grmp_iqa.core import ImageError
from grmp_iqa.data import limits
from grmp_iqa.data.damage import jpeg_scans
from grmp_iqa.data.files import find_images, missing_package, shown, walk
from grmp_iqa.data.images import open_image
from grmp_iqa.data.samples import sample_photos

CROPS = Crops(size=64, squash=None, grid=3, half_grid=2, whole=True)
PHOTO = bad.photo()
PIXELS = np.asarray(PHOTO)
GREY = np.repeat(PIXELS[..., :1], 3, 2)
DEEP = PIXELS.astype(np.uint16)*257


def crops_or_sentence(source):
    "The crops of a file, or the sentence that says why there are none; anything else is a failure"
    notes = []
    try: crops = CROPS.fixed(source, notes)
    except ImageError as e:
        assert '\n' not in str(e) and str(e).endswith('.') and 'Traceback' not in str(e)
        return str(e), notes
    assert crops.shape == (14, 3, 64, 64)
    for note in notes: assert note.endswith('.') and '\n' not in note
    return '', notes


def same(data, target, most=0):
    "The file shows these pixels; gives the notes"
    notes = []
    a = np.asarray(open_image(data, notes=notes), int)
    assert a.shape == target.shape and abs(a - target).max() <= most
    return notes


# ---- limits ----
def test_a_strip_is_refused_before_it_grows():
    for size in ((100000, 1), (1, 100000), (500000, 10)):
        error, _ = crops_or_sentence(bad.saved(Image.new('L', size), 'PNG'))
        assert 'too long and thin' in error and f'{size[0]} x {size[1]}' in error

@pytest.mark.parametrize('width, height', [(89000000, 1), (60000, 60000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)])
def test_a_header_that_claims_too_much(width, height):
    error, _ = crops_or_sentence(bad.png(width, height))
    assert error

def test_too_many_pixels_are_refused_from_the_header(monkeypatch):
    files = [bad.saved(PHOTO, k) for k in ('PNG', 'JPEG', 'BMP', 'GIF', 'TIFF', 'WEBP', 'JPEG2000', 'PPM')]
    def decoded(*args): raise AssertionError('it was decoded')
    monkeypatch.setattr(limits, 'MAX_PIXELS', 100)
    monkeypatch.setattr(Image.Image, 'load', decoded)
    for data in files:
        with pytest.raises(ImageError, match='too many'): open_image(data)

def test_pillows_own_limit_is_neither_used_nor_changed(monkeypatch, recwarn):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    same(bad.saved(PHOTO, 'PNG'), PIXELS)
    assert Image.MAX_IMAGE_PIXELS == 1000 and not recwarn.list

@pytest.mark.parametrize('scans', [100, 5000])
def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded(scans):
    data = bad.many_scans(scans)
    assert jpeg_scans(data) > limits.MAX_SCANS
    assert 'times through' in crops_or_sentence(data)[0]

def test_scans_times_pixels_are_bounded(monkeypatch):
    data = bad.saved(PHOTO, 'JPEG', progressive=True)
    monkeypatch.setattr(limits, 'MAX_PIXELS', PHOTO.width*PHOTO.height*jpeg_scans(data)//20 - 1000)
    monkeypatch.setattr(limits, 'check_pixels', lambda *args: None)
    assert 'times through' in crops_or_sentence(data)[0]

def test_bytes_are_bounded(monkeypatch, tmp_path):
    (tmp_path/'large.png').write_bytes(data := bad.saved(PHOTO, 'PNG'))
    monkeypatch.setattr(limits, 'MAX_BYTES', 1000)
    for source in (tmp_path/'large.png', data, io.BytesIO(data)): assert 'more than' in crops_or_sentence(source)[0]

@pytest.mark.parametrize('data', [b'P3 40 40 255 ' + b'1 2 3 '*1600, bad.saved(PHOTO, 'PNG'), bad.saved(PHOTO, 'GIF')], ids=['ppm', 'png', 'gif'])
def test_a_clock_stops_a_reader(data, monkeypatch):
    assert crops_or_sentence(data)[0] == ''
    monkeypatch.setattr(limits, 'MAX_SECONDS', -1)
    assert 'longer than' in crops_or_sentence(data)[0]

@pytest.mark.parametrize('data', [b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', b'%PDF-1.4\n', b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    b'8BPS\0\1', b'\xd7\xcd\xc6\x9a', b'\x00\x00\x01\x00', b'SIMPLE  =', b'', b'\0'*100, b'not an image', b'\xff\xd8\xff', b'II*\0', b'GIF89a', b'BM', b'RIFF\0\0\0\0WEBP'])
def test_only_photographs_are_opened(data, tmp_path, monkeypatch):
    import subprocess
    monkeypatch.setattr(subprocess, 'Popen', None)   # whoever starts another program fails here
    (tmp_path/'photo.jpg').write_bytes(data)
    error, _ = crops_or_sentence(tmp_path/'photo.jpg')
    assert 'photo.jpg' in error

@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='no named pipes here')
def test_a_pipe_a_socket_and_a_device_are_not_read(tmp_path):
    os.mkfifo(tmp_path/'pipe.jpg')
    (tmp_path/'zero.jpg').symlink_to('/dev/zero')
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(tmp_path); s.bind('socket.jpg')
        for name in ('pipe', 'zero', 'socket'): assert 'no regular file' in crops_or_sentence(tmp_path/f'{name}.jpg')[0]
        assert [r for _, r in walk(tmp_path)] == ['is no regular file but a pipe, a socket or a device']*3

def test_an_error_of_any_kind_is_a_sentence(monkeypatch):
    for error in (MemoryError(), RecursionError('deep\ndown'), OverflowError('x'), AssertionError(), SystemError('null')):
        def fails(*args, error=error): raise error
        monkeypatch.setattr('grmp_iqa.data.images.identify', fails)
        assert 'The bytes given is damaged' in crops_or_sentence(b'x')[0]


# ---- every format, cut and flipped ----
FILES = bad.of_every_kind()

@pytest.mark.parametrize('kind', FILES)
def test_whole_files_have_no_notes(kind): assert crops_or_sentence(FILES[kind]) == ('', [])

@pytest.mark.parametrize('kind', FILES)
def test_cut_and_flipped_files(kind):
    data = FILES[kind]
    for share in (.02, .3, .6, .95): crops_or_sentence(data[:int(len(data)*share)])
    for seed in range(25): crops_or_sentence(bad.flipped(data, seed, bits=1 + 7*(seed % 3)))
    for seed in range(10): crops_or_sentence(data[:32] + np.random.default_rng(seed).bytes(len(data) - 32))

def test_mutated_files():
    rng = random.Random(0)
    for _ in range(500): crops_or_sentence(bad.mutated(FILES, rng))

def test_each_flipped_bit_of_the_pixels_of_a_png_is_noticed():
    data = FILES['png']
    for seed in range(60):
        error, notes = crops_or_sentence(bad.flipped(data, seed, first=data.index(b'IDAT') + 4))
        assert error or notes

def test_most_harmful_damage_of_a_jpeg_is_noticed():
    data, moved, seen = min(sample_photos()[0].glob('*.jpg'), key=lambda f: (f.stat().st_size < 30000, f.name)).read_bytes(), 0, 0
    before = CROPS.fixed(data).float()
    for seed in range(60):
        notes = []
        try: after = CROPS.fixed(bad.flipped(data, seed, first=1000), notes).float()
        except ImageError: continue
        if (after - before).abs().mean() < 2: continue   # levels of 256
        moved += 1
        seen += bool(notes)
    assert moved >= 15 and seen >= .7*moved, (moved, seen)

def test_a_jpeg_without_its_end_is_noticed():
    for cut in (1, 2, 10):
        assert any(crops_or_sentence(FILES['jpeg'][:-cut]))

def test_restart_marks_in_the_wrong_order_are_noticed():
    data = bad.saved(PHOTO, 'JPEG', restart_marker_blocks=2)
    assert crops_or_sentence(data) == ('', [])
    assert crops_or_sentence(data.replace(b'\xff\xd3', b'\xff\xd6'))[1]


# ---- numbers and colours ----
@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('deflate', [False, True])
class TestTiff:
    def test_planes(self, order, deflate):
        for a in (PIXELS, DEEP):
            for planar in (False, True): assert same(bad.tiff(a, order, planar, deflate=deflate), PIXELS) == []

    def test_white_is_0(self, order, deflate):
        assert same(bad.tiff(255 - GREY[..., 0], order, photometric=0, deflate=deflate), GREY) == []
        if order == '<': assert same(bad.tiff(65535 - DEEP[..., 0], order, photometric=0, deflate=deflate), GREY) == []

    def test_floats(self, order, deflate):
        grey = GREY[..., 0].astype(np.float32)
        assert same(bad.tiff(grey/255, order, deflate=deflate), GREY) == []
        assert 'taken for white' in same(bad.tiff(grey, order, deflate=deflate), GREY)[0]
        assert 'taken for white' in same(bad.tiff(grey*257, order, deflate=deflate), GREY)[0]
        assert crops_or_sentence(bad.tiff(grey*np.float32('nan'), order, deflate=deflate))[0]

def test_sixteen_bits_with_a_transparent_level():
    level = DEEP[3, 4, 0]
    target = np.where((DEEP[..., :1] == level), 255, GREY)
    assert same(bad.png16(DEEP[..., 0], [(b'tRNS', level.astype('>u2').tobytes())]), target) == []
    assert 'opaque' in same(bad.png16(DEEP, [(b'tRNS', DEEP[3, 4].astype('>u2').tobytes())]), PIXELS)[0]

def test_unreadable_exif_is_said_and_costs_nothing_else():
    rows = b''.join(b'\0' + row.tobytes() for row in PIXELS)
    assert 'EXIF' in same(bad.png(*PHOTO.size, rows, 8, 2, [(b'eXIf', b'junk that is no EXIF')]), PIXELS)[0]

@pytest.mark.parametrize('number', range(1, 9))
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF', 'WEBP'])
def test_all_eight_orientations(kind, number):
    turns = [lambda a: a, np.fliplr, lambda a: np.rot90(a, 2), np.flipud, lambda a: a.transpose(1, 0, 2), lambda a: np.rot90(a),
             lambda a: np.rot90(a, 2).transpose(1, 0, 2), lambda a: np.rot90(a, -1)]   # from upright to how it is stored
    exif = Image.Exif()
    exif[0x0112] = number
    smooth = Image.radial_gradient('L').resize((96, 160)).crop((0, 0, 96, 80)).convert('RGB')
    target = np.asarray(smooth, int)*np.array([1, .8, .6])*np.linspace(.4, 1, 96)[None, :, None]
    stored = Image.fromarray(np.ascontiguousarray(turns[number - 1](target)).astype(np.uint8))
    how = dict(quality=95) if kind in ('JPEG', 'WEBP') else {}
    same(bad.saved(stored, kind, exif=exif, **how), target.astype(int), 12)

def test_cmyk_with_and_without_a_profile():
    flat = Image.new('CMYK', (96, 80), (0, 255, 255, 0))
    for kind in ('JPEG', 'TIFF'): same(bad.saved(flat, kind), np.broadcast_to([255, 0, 0], (80, 96, 3)), 6)
    rgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    assert 'profile' in crops_or_sentence(bad.saved(flat, 'TIFF', icc_profile=rgb))[1][0]

@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_a_broken_profile_is_said(kind):
    how = dict(icc_profile=b'no profile at all') | (dict(quality=100, subsampling=0) if kind == 'JPEG' else dict(lossless=True) if kind == 'WEBP' else {})
    assert 'profile' in same(bad.saved(PHOTO, kind, **how), PIXELS, 4)[0]

def test_a_jpeg_and_a_png_of_its_pixels_are_the_same_to_the_network():
    large = Image.fromarray((np.asarray(PHOTO.resize((1800, 1300))) + np.random.default_rng(0).normal(0, 9, (1300, 1800, 1))).clip(0, 255).astype(np.uint8))
    data = bad.saved(large, 'JPEG', quality=90)
    assert (CROPS.fixed(data) == CROPS.fixed(bad.saved(Image.open(io.BytesIO(data)), 'PNG', compress_level=1))).all()

@pytest.mark.parametrize('kind, package', [('HEIF', 'pillow_heif'), ('JXL', 'pillow_jxl'), ('AVIF', 'PIL')])
def test_formats_of_other_packages(kind, package, monkeypatch):
    pytest.importorskip(package)
    if kind == 'HEIF': import pillow_heif; pillow_heif.register_heif_opener()
    if missing_package({'HEIF': '.heic', 'JXL': '.jxl', 'AVIF': '.avif'}[kind]): pytest.skip(f'{kind} cannot be read here')
    data = bad.saved(Image.new('RGB', (96, 80), (200, 60, 60)), kind)
    same(data, np.broadcast_to([200, 60, 60], (80, 96, 3)), 6)
    for seed in range(15): crops_or_sentence(bad.flipped(data, seed, bits=3))
    monkeypatch.setattr(limits, 'MAX_PIXELS', 100)
    assert 'too many' in crops_or_sentence(data)[0]
    monkeypatch.setitem(limits.FORMATS, kind, 'no_such_package')
    monkeypatch.delitem(Image.OPEN, kind, raising=False)
    monkeypatch.setattr(limits, 'MAX_PIXELS', 10**6)
    assert 'grmp-iqa[formats]' in crops_or_sentence(data)[0]


# ---- which files ----
def test_each_file_that_looks_like_a_photograph_is_accounted_for(tmp_path):
    for name in ('a.jpg', 'b.JFIF', 'c.jpe', 'd.mpo', 'e.tga', 'f.dng', 'g.txt', '._h.jpg', 'sub.jpg/i.png'):
        (tmp_path/name).parent.mkdir(exist_ok=True)
        (tmp_path/name).touch()
    (tmp_path/'j.png').symlink_to('nowhere'); (tmp_path/'k.jpg').symlink_to('k.jpg'); (tmp_path/'l').symlink_to('.')
    found = {p.relative_to(tmp_path).as_posix(): r for p, r in walk(tmp_path)}
    assert [n for n, r in found.items() if not r] == ['a.jpg', 'b.JFIF', 'c.jpe', 'd.mpo', 'e.tga', 'sub.jpg/i.png']
    assert set(found) == {'a.jpg', 'b.JFIF', 'c.jpe', 'd.mpo', 'e.tga', 'f.dng', '._h.jpg', 'sub.jpg/i.png', 'j.png', 'k.jpg', 'l'}
    assert 'nowhere' in found['j.png'] and 'nowhere' in found['k.jpg'] and 'anyway' in found['l']

def test_missing_packages_are_named(tmp_path, monkeypatch):
    for suffix in ('heic', 'avif', 'jxl'): (tmp_path/f'x.{suffix}').touch()
    monkeypatch.setattr('grmp_iqa.data.files.find_spec', lambda name: None)
    monkeypatch.setattr('grmp_iqa.data.files.features.check', lambda name: False)
    assert all('grmp-iqa[formats]' in r for _, r in walk(tmp_path)) and len(list(walk(tmp_path))) == 3
    with pytest.raises(ImageError, match='needs'): find_images(tmp_path)

@pytest.mark.skipif(not hasattr(os, 'geteuid'), reason='permissions are others here')
def test_folders_that_may_not_be_read_or_searched(tmp_path):
    root = tmp_path
    while root != root.parent and root.owner() == tmp_path.owner() and root.stat().st_uid == os.geteuid() and str(root) != '/tmp':
        root.chmod(root.stat().st_mode | 0o755); root = root.parent
    for name in ('closed', 'listed', 'open'):
        (tmp_path/name).mkdir(); (tmp_path/name/'x.jpg').touch()
    (tmp_path/'closed').chmod(0); (tmp_path/'listed').chmod(0o444)
    me = os.geteuid()
    if me == 0: os.seteuid(65534)
    try: found = {p.relative_to(tmp_path).as_posix(): r for p, r in walk(tmp_path)}
    finally:
        if me == 0: os.seteuid(0)
        for name in ('closed', 'listed'): (tmp_path/name).chmod(0o755)
    assert set(found) == {'closed', 'listed/x.jpg', 'open/x.jpg'} and not found['open/x.jpg']
    assert 'may not be read' in found['closed'] and 'may not be searched' in found['listed/x.jpg']

@pytest.mark.skipif(os.name == 'nt', reason='names are text there')
def test_names_that_are_no_text(tmp_path):
    names = [os.fsdecode(b'caf\xe9.png'), 'cr\r.png', 'two\nlines.png', 'esc\x1b[31m.png', 'para\u2029.png', 'back\\slash.png', 'plain ü 猫.png']
    data = bad.saved(PHOTO, 'PNG')
    for name in names:
        try: (tmp_path/name).write_bytes(data)
        except OSError: pytest.skip('this file system takes no such names')
    files = find_images(tmp_path)
    assert len(files) == len(names) == len({shown(f) for f in files})
    text = '\n'.join(shown(f) for f in files).encode('utf-8').decode('utf-8')
    assert len(text.splitlines()) == len(names)
    for f in files: assert crops_or_sentence(f) == ('', [])
    for name in names:
        (tmp_path/name).write_bytes(b'junk')
        assert crops_or_sentence(tmp_path/name)[0].encode('utf-8')
