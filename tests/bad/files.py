"""Makes files, good and bad, byte by byte: no library writes what it would itself refuse to read."""
import io
import json
import struct
import zipfile


def safetensors(header, data=b""):
    """header: an object, or the JSON text itself."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def read_safetensors(raw):
    (n,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + n]), raw[8 + n :]


def npy(descr, shape, data=None, order="False", version=1, header=None):
    """data None: zeros of the right size. header: the dict's text, instead of one made from the other arguments."""
    if header is None:
        dims = "".join(f"{d}, " for d in shape)
        header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({dims}), }}\n"
    if data is None:
        count = int(descr[-1])
        for d in shape:
            count *= d
        data = bytes(count)
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def npz(members, deflate=True):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
            archive.writestr(info, data)
    return out.getvalue()


def patch(raw, at, new):
    at = at if at >= 0 else len(raw) + at
    return raw[:at] + new + raw[at + len(new) :]
