"""Small files that say, or are, more than a machine has room for; each by its name.

``python -m tests.fuzz.bombs`` decodes them in one worker, and prints in JSON what became of each and the most memory it took.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from augx.decode import decode
from augx.errors import SourceError
from tests.test_decode import png_of

_SCAN = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xd9"
LARGEST = "PNG of 10,000 x 10,000, the largest that is allowed"


def bombs() -> dict[str, bytes]:
    """Bytes by what they are."""
    photo = Image.new("RGB", (40, 30), (200, 80, 40))
    text = zlib.compress(bytes(200_000_000))
    raw = _saved(photo, "TIFF", compression="tiff_adobe_deflate")
    return {
        "PNG of 20,000 x 20,000": png_of(20_000, 20_000, (b"IDAT", zlib.compress(bytes(20_000 * 2501)))),
        "PNG of 2^31 - 1 pixels a side": png_of(2**31 - 1, 2**31 - 1, (b"IDAT", zlib.compress(bytes(1000)))),
        "PNG whose chunk says that it has 2 GB": png_of(5, 5)[:33] + b"\x7f\xff\xff\xf0IDAT" + bytes(99),
        "PNG of 5 x 5 with 200 MB of zeros in its pixels": png_of(5, 5, (b"IDAT", text)),
        "PNG with 200 MB of text, compressed": png_of(5, 5, (b"zTXt", b"a\0\0" + text), (b"IDAT", zlib.compress(bytes(10)))),
        "PNG with a colour profile of 200 MB, compressed": png_of(5, 5, (b"iCCP", b"a\0\0" + text), (b"IDAT", zlib.compress(bytes(10)))),
        "JPEG of 65,500 x 65,500 without data": b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xdc\xff\xdc\x01\x01\x11\0" + _SCAN,
        "JPEG with its size changed to 65,500 x 65,500": _resized_jpeg(_saved(photo, "JPEG")),
        "BMP of 30,000 x 30,000 in 200 bytes": struct.pack("<2sIHHIIiiHH", b"BM", 200, 0, 0, 54, 40, 30_000, 30_000, 1, 24) + bytes(170),
        "TIFF with its size changed to 60,000 x 60,000": _resized_tiff(raw, 60_000),
        "GIF of 65,535 x 65,535": b"GIF89a\xff\xff\xff\xff\xf7\0\0" + bytes(768) + b",\0\0\0\0\xff\xff\xff\xff\0\x08\x02\x04\x01\0\0;",
        "WebP of 16,383 x 16,383": _webp(16_383),
        "PNM of 60,000 x 60,000": b"P6 60000 60000 255\n" + bytes(100),
        LARGEST: png_of(10_000, 10_000, (b"IDAT", zlib.compress(bytes(10_000 * 1251)))),
    }


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _resized_jpeg(data: bytes) -> bytes:
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 65_500, 65_500) + data[at + 4 :]


def _resized_tiff(data: bytes, side: int) -> bytes:
    (at,) = struct.unpack_from("<I", data, 4)
    broken = bytearray(data)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] in (256, 257, 278):
            struct.pack_into("<HII", broken, entry + 2, 4, 1, side)
    return bytes(broken)


def _webp(side: int) -> bytes:
    """Lossless, all of one colour, as Pillow writes it."""
    return _saved(Image.new("RGB", (side, side)), "WEBP", lossless=True, method=0)


def _memory(name: str) -> int:
    (found,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found)


if __name__ == "__main__":
    import subprocess
    import sys

    if len(sys.argv) > 1:
        data = Path(sys.argv[1]).read_bytes()
        cv2.setNumThreads(1)
        decode(bytes(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1]))
        Path("/proc/self/clear_refs").write_text("5")  # the most memory, counted anew
        before = _memory("VmRSS")
        try:
            said = "decoded: {1}x{0}".format(*decode(data).shape)
        except SourceError as error:
            said = str(error)
        print(json.dumps([said, _memory("VmHWM") - before]))
    else:
        found = {}
        for name, data in bombs().items():
            path = Path("bomb.bin")
            path.write_bytes(data)
            done = subprocess.run([sys.executable, "-m", "tests.fuzz.bombs", str(path)], capture_output=True, text=True, check=False)
            found[name] = [len(data), done.returncode, *(json.loads(done.stdout) if done.returncode == 0 else [done.stderr, 0])]
        print(json.dumps(found))
