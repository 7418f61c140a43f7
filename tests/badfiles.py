"Bad and odd image files, made here byte by byte: what an archive of a million photographs holds somewhere"
import io, random, struct, zlib

import numpy as np
from PIL import Image


def photo(width=96, height=80, seed=0):
    "A small image with edges, a gradient and noise"
    y, x = np.mgrid[:height, :width]
    a = np.stack([x*255/width, y*255/height, ((x//12 + y//10) % 2)*180 + 30], -1)
    return Image.fromarray((a + np.random.default_rng(seed).normal(0, 6, a.shape)).clip(0, 255).astype(np.uint8))


def saved(image, kind, **how):
    "The bytes of a file"
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def png(width, height, rows=b'', depth=8, colour=0, parts=()):
    "A PNG file from its header, its packed rows and further parts"
    part = lambda kind, body: struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
    return (b'\x89PNG\r\n\x1a\n' + part(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0))
            + b''.join(part(*p) for p in parts) + part(b'IDAT', zlib.compress(rows)) + part(b'IEND', b''))


def png16(a, parts=()):
    "A PNG file of 16 bits from an array (H,W) or (H,W,3)"
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in a)
    return png(a.shape[1], a.shape[0], rows, 16, 2 if a.ndim == 3 else 0, parts)


def tiff(a, order='<', planar=False, photometric=None, deflate=False, tags=()):
    "A TIFF file of one strip (one a plane) from an array (H,W) or (H,W,C)"
    h, w = a.shape[:2]
    c = a.shape[2] if a.ndim == 3 else 1
    planes = [a[..., i] for i in range(c)] if planar and c > 1 else [a]
    data = [np.ascontiguousarray(p).astype(a.dtype.newbyteorder(order)).tobytes() for p in planes]
    if deflate: data = [zlib.compress(d) for d in data]
    kind = {'u': 1, 'i': 2, 'f': 3}[a.dtype.kind]
    if photometric is None: photometric = 2 if c >= 3 else 1
    body, offsets = b'', []
    for d in data:
        offsets.append(8 + len(body))
        body += d + b'\0'*(len(d) % 2)
    extra = lambda values, code: (code, values)
    fields = {256: extra([w], 'I'), 257: extra([h], 'I'), 258: extra([a.dtype.itemsize*8]*c, 'H'), 259: extra([8 if deflate else 1], 'H'),
              262: extra([photometric], 'H'), 273: extra(offsets, 'I'), 277: extra([c], 'H'), 278: extra([h], 'I'),
              279: extra([len(d) for d in data], 'I'), 284: extra([2 if planar else 1], 'H'), 339: extra([kind]*c, 'H'), **dict(tags)}
    ifd, more, start = b'', b'', 8 + len(body)
    after = start + 2 + 12*len(fields) + 4
    for tag in sorted(fields):
        code, values = fields[tag]
        packed = struct.pack(f'{order}{len(values)}{code}', *values)
        if len(packed) > 4:
            packed, more = struct.pack(f'{order}I', after + len(more)), more + packed + b'\0'*(len(packed) % 2)
        ifd += struct.pack(f'{order}HHI', tag, {'H': 3, 'I': 4, 'B': 1}[code], len(values)) + packed.ljust(4, b'\0')
    head = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(f'{order}I', start)
    return head + body + struct.pack(f'{order}H', len(fields)) + ifd + bytes(4) + more


def many_scans(n, width=64, height=64):
    "A progressive JPEG file whose last scan is repeated until there are `n`"
    data = saved(photo(width, height), 'JPEG', progressive=True, quality=80)
    last = data.rfind(b'\xff\xda')
    return data[:-2] + data[last:-2]*n + data[-2:]


def flipped(data, seed, bits=1, first=0):
    "The same bytes with some bits turned over"
    rng, out = random.Random(seed), bytearray(data)
    for _ in range(bits): out[rng.randrange(first, len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def of_every_kind():
    "Small sound files, by name: every format that can be written here"
    image, other = photo(), photo(seed=1).rotate(9)
    files = {'jpeg': saved(image, 'JPEG'), 'progressive': saved(image, 'JPEG', progressive=True), 'grey': saved(image.convert('L'), 'JPEG'),
             'cmyk': saved(image.convert('CMYK'), 'JPEG'), 'png': saved(image, 'PNG'), 'palette': saved(image.quantize(16), 'PNG'),
             'gif': saved(image, 'GIF'), 'webp': saved(image, 'WEBP'), 'lossless': saved(image, 'WEBP', lossless=True),
             'tiff': tiff(np.asarray(image)), 'deflate': tiff(np.asarray(image).astype(np.uint16)*257, deflate=True),
             'lzw': saved(image, 'TIFF', compression='tiff_lzw'), 'bmp': saved(image, 'BMP'), 'jp2': saved(image, 'JPEG2000'), 'ppm': saved(image, 'PPM'),
             'plain': b'P3 40 40 255 ' + b'1 2 3 '*1600, 'mpo': saved(image, 'MPO', save_all=True, append_images=[other])}
    for kind in ('GIF', 'WEBP', 'PNG'): files[f'moving {kind}'] = saved(image, kind, save_all=True, append_images=[other])
    return files


def mutated(files, rng):
    "One of the files with its bytes changed in one of five ways"
    data, how = bytearray(rng.choice(list(files.values()))), rng.randrange(5)
    if how == 0:
        for _ in range(rng.choice((1, 3, 20))): data[rng.randrange(min(len(data), 300))] = rng.choice((0, 255, rng.randrange(256)))
    elif how == 1:
        at = rng.randrange(len(data))
        data[at:at] = rng.randbytes(rng.choice((1, 4, 1000)))
    elif how == 2:
        at = rng.randrange(len(data))
        del data[at:at + rng.choice((1, 4, 200))]
    elif how == 3:
        at = rng.randrange(min(len(data) - 4, 400))
        data[at:at + 4] = rng.choice((b'\xff'*4, b'\x7f\xff\xff\xff', bytes(4), b'\0\1\0\0', b'\xff\xff\0\0'))
    else:
        other = rng.choice(list(files.values()))
        data[rng.randrange(len(data)):] = other[rng.randrange(len(other)):]
    return bytes(data)
