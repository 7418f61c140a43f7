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
    n, body, offsets = len(data), b'', []
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
