"""The table of bad inputs: files that lie, are cut short or are not there, outputs that cannot be written, wrong calls.

Each case is a function that puts its files into the folder and returns the command line. The folder already holds the digits example
(model.ig, weights.safetensors, calib.npy, test.npy, test_labels.npy) and a good state (good.state) made from it."""
import math
import struct

from files import npy, npz, patch, read_safetensors, safetensors

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def edit(folder, change):
    """Changes the weights' header and data in place."""
    path = folder / "weights.safetensors"
    header, data = read_safetensors(path.read_bytes())
    data = bytearray(data)
    header = change(header, data) or header
    path.write_bytes(safetensors(header, bytes(data)))


COMPILE = ["compile", "model.ig", "--calibration", "calib.npy", "-o", "out"]
EVAL = ["eval", "model.ig", "--calibration", "good.state", "--data", "test.npy", "--labels", "test_labels.npy", "--engine", "float,reference"]


def calibrate(file="x.npy"):
    return ["calibrate", "model.ig", file, "-o", "out.state"]


# Weights: what is not a file of weights


@case
def weights_missing(folder):
    (folder / "weights.safetensors").unlink()
    return COMPILE


@case
def weights_folder(folder):
    (folder / "weights.safetensors").unlink()
    (folder / "weights.safetensors").mkdir()
    return COMPILE


@case
def weights_empty(folder):
    (folder / "weights.safetensors").write_bytes(b"")
    return COMPILE


@case
def weights_header_truncated(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    return COMPILE


@case
def weights_data_truncated(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    return COMPILE


@case
def weights_joined(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes() + b"tail")
    return COMPILE


@case
def weights_header_length_huge(folder):
    (folder / "weights.safetensors").write_bytes(struct.pack("<Q", 1 << 63) + b"{}")
    return COMPILE


@case
def weights_not_json(folder):
    (folder / "weights.safetensors").write_bytes(safetensors(b'{"conv1.weight": {"dtype": "F32", }}'))
    return COMPILE


@case
def weights_pickle(folder):
    (folder / "weights.safetensors").write_bytes(b"PK\x03\x04" + bytes(60) + b"archive/data.pkl")
    return COMPILE


@case
def weights_nested(folder):
    (folder / "weights.safetensors").write_bytes(safetensors(b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}"))
    return COMPILE


# Weights: headers that lie


@case
def weights_duplicate(folder):
    one = b'"conv1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    (folder / "weights.safetensors").write_bytes(safetensors(b"{" + one + b"," + one + b"}", bytes(4)))
    return COMPILE


@case
def weights_type_unknown(folder):
    edit(folder, lambda h, d: h["fc.weight"].update(dtype="F8_E4M3"))
    return COMPILE


@case
def weights_type_integer(folder):
    edit(folder, lambda h, d: h["fc.weight"].update(dtype="I32"))
    return COMPILE


@case
def weights_offset_outside(folder):
    edit(folder, lambda h, d: h["fc.weight"].update(data_offsets=[0, 1 << 40]))
    return COMPILE


@case
def weights_offset_negative(folder):
    edit(folder, lambda h, d: h["fc.weight"].update(data_offsets=[-4, 40]))
    return COMPILE


@case
def weights_overlap(folder):
    edit(folder, lambda h, d: h["bn1.running_mean"].update(data_offsets=h["bn1.bias"]["data_offsets"]))
    return COMPILE


@case
def weights_shape_lies(folder):
    edit(folder, lambda h, d: h["fc.weight"].update(shape=[10, 129]))
    return COMPILE


@case
def weights_shape_overflows(folder):
    edit(folder, lambda h, d: h["fc.weight"].update(shape=[1 << 32, 1 << 32]))
    return COMPILE


@case
def weights_shape_negative(folder):
    edit(folder, lambda h, d: h["fc.weight"].update(shape=[-10, -128]))
    return COMPILE


@case
def weights_rank(folder):
    edit(folder, lambda h, d: h["fc.weight"].update(shape=[10, 1, 1, 1, 1, 1, 128]))
    return COMPILE


# Weights: good files that do not fit the model


@case
def weights_tensor_missing(folder):
    edit(folder, lambda h, d: {k.replace("dw.weight", "dwise.weight"): v for k, v in h.items()})
    return COMPILE


@case
def weights_shape_wrong(folder):
    edit(folder, lambda h, d: h["pw.weight"].update(shape=[16, 32, 1, 1]))
    return COMPILE


@case
def weights_nan(folder):
    def change(h, d):
        at = h["res.conv1.weight"]["data_offsets"][0] + 4 * (3 * 144 + 5 * 9 + 4)
        d[at : at + 4] = struct.pack("<f", math.nan)

    edit(folder, change)
    return COMPILE


@case
def weights_infinity(folder):
    def change(h, d):
        at = h["bn1.running_mean"]["data_offsets"][0] + 4 * 7
        d[at : at + 4] = struct.pack("<f", -math.inf)

    edit(folder, change)
    return COMPILE


@case
def weights_variance_negative(folder):
    def change(h, d):
        at = h["bn1.running_var"]["data_offsets"][0] + 4 * 2
        d[at : at + 4] = struct.pack("<f", -1.0)

    edit(folder, change)
    return COMPILE


# Samples


@case
def samples_missing(folder):
    return calibrate("none.npy")


@case
def samples_folder(folder):
    (folder / "x.npy").mkdir()
    return calibrate()


@case
def samples_empty_file(folder):
    (folder / "x.npy").write_bytes(b"")
    return calibrate()


@case
def samples_not_npy(folder):
    (folder / "x.npy").write_bytes(b"0,1,2\n" * 50)
    return calibrate()


@case
def samples_version(folder):
    (folder / "x.npy").write_bytes(npy("|u1", [200, 8, 8, 1], version=9))
    return calibrate()


@case
def samples_header_truncated(folder):
    (folder / "x.npy").write_bytes((folder / "calib.npy").read_bytes()[:60])
    return calibrate()


@case
def samples_data_truncated(folder):
    (folder / "x.npy").write_bytes((folder / "calib.npy").read_bytes()[:-1])
    return calibrate()


@case
def samples_header_malformed(folder):
    (folder / "x.npy").write_bytes(npy("", [], b"", header="{'descr': '|u1', 'fortran_order': False, 'shape': (200, 8, 8, 1) + (), }\n"))
    return calibrate()


@case
def samples_header_code(folder):
    (folder / "x.npy").write_bytes(npy("", [], b"", header="{'descr': __import__('os').name, 'fortran_order': False, 'shape': (1,)}\n"))
    return calibrate()


@case
def samples_big_endian(folder):
    (folder / "x.npy").write_bytes(npy(">f4", [200, 8, 8, 1]))
    return calibrate()


@case
def samples_fortran(folder):
    (folder / "x.npy").write_bytes(npy("|u1", [200, 8, 8, 1], order="True"))
    return calibrate()


@case
def samples_text(folder):
    (folder / "x.npy").write_bytes(npy("<U8", [200, 8, 8, 1], bytes(32 * 64 * 200)))
    return calibrate()


@case
def samples_dimensions_huge(folder):
    (folder / "x.npy").write_bytes(npy("|u1", [1 << 40, 1 << 40, 8, 1], b""))
    return calibrate()


@case
def samples_none(folder):
    (folder / "x.npy").write_bytes(npy("|u1", [0, 8, 8, 1]))
    return calibrate()


@case
def samples_shape_wrong(folder):
    (folder / "x.npy").write_bytes(npy("|u1", [200, 1, 8, 8]))
    return calibrate()


@case
def samples_size_wrong(folder):
    (folder / "x.npy").write_bytes(npy("|u1", [200, 28, 28, 1]))
    return calibrate()


@case
def samples_type_wrong(folder):
    (folder / "x.npy").write_bytes(npy("<f4", [200, 8, 8, 1]))
    return calibrate()


FLOAT_MODEL = """model m(x: f32[1, 1, 8, 8]) -> (y: f32[1, 1, 4, 4]) {
  y = max_pool2d(relu(x), kernel: 2, stride: 2)
}
"""


@case
def samples_nan(folder):
    values = [0.25] * (120 * 64)
    values[37 * 64 + 8 * 3 + 5] = math.nan
    (folder / "float.ig").write_text(FLOAT_MODEL)
    (folder / "x.npy").write_bytes(npy("<f4", [120, 1, 8, 8], struct.pack(f"<{len(values)}f", *values)))
    return ["calibrate", "float.ig", "x.npy", "-o", "out.state"]


@case
def samples_infinity(folder):
    values = [0.25] * (120 * 64)
    values[119 * 64 + 63] = math.inf
    (folder / "float.ig").write_text(FLOAT_MODEL)
    (folder / "x.npy").write_bytes(npy("<f8", [120, 1, 8, 8], struct.pack(f"<{len(values)}d", *values)))
    return ["calibrate", "float.ig", "x.npy", "-o", "out.state"]


@case
def samples_raw_odd(folder):
    (folder / "x.raw").write_bytes(bytes(1000))
    return calibrate("x.raw:u8")


@case
def samples_input_unknown(folder):
    return ["calibrate", "model.ig", "picture=calib.npy", "-o", "out.state"]


# Archives


@case
def archive_truncated(folder):
    (folder / "x.npz").write_bytes(npz({"a.npy": (folder / "calib.npy").read_bytes()})[:-30])
    return calibrate("x.npz")


@case
def archive_several(folder):
    data = (folder / "calib.npy").read_bytes()
    (folder / "x.npz").write_bytes(npz({"images.npy": data, "more.npy": data}))
    return calibrate("x.npz")


@case
def archive_member_missing(folder):
    (folder / "x.npz").write_bytes(npz({"images.npy": (folder / "calib.npy").read_bytes()}))
    return calibrate("x.npz:labels")


@case
def archive_none(folder):
    (folder / "x.npz").write_bytes(npz({}))
    return calibrate("x.npz")


@case
def archive_bomb(folder):
    raw = npz({"a.npy": (folder / "calib.npy").read_bytes()})
    central = raw.index(b"PK\x01\x02")
    (folder / "x.npz").write_bytes(patch(patch(raw, 22, b"\xff\xff\xff\x7f"), central + 24, b"\xff\xff\xff\x7f"))
    return calibrate("x.npz")


@case
def archive_damaged(folder):
    raw = npz({"a.npy": (folder / "calib.npy").read_bytes()}, deflate=False)
    (folder / "x.npz").write_bytes(patch(raw, 5000, bytes([raw[5000] ^ 255])))
    return calibrate("x.npz")


# Labels


@case
def labels_float(folder):
    (folder / "test_labels.npy").write_bytes(npy("<f4", [500]))
    return EVAL


@case
def labels_one_hot(folder):
    (folder / "test_labels.npy").write_bytes(npy("|u1", [500, 10]))
    return EVAL


@case
def labels_too_few(folder):
    (folder / "test_labels.npy").write_bytes(npy("<i8", [499]))
    return EVAL


@case
def labels_out_of_range(folder):
    (folder / "test_labels.npy").write_bytes(npy("<i8", [500], struct.pack("<500q", *([3] * 499 + [10]))))
    return EVAL


# States


@case
def state_truncated(folder):
    path = folder / "good.state"
    path.write_bytes(path.read_bytes()[:-9])
    return EVAL


@case
def state_cut_to_its_magic(folder):
    path = folder / "good.state"
    path.write_bytes(path.read_bytes()[:8])
    return EVAL


@case
def state_damaged(folder):
    path = folder / "good.state"
    raw = path.read_bytes()
    path.write_bytes(patch(raw, len(raw) // 2, bytes([raw[len(raw) // 2] ^ 1])))
    return EVAL


@case
def state_of_other_weights(folder):
    def change(h, d):
        at = h["fc.bias"]["data_offsets"][0]
        d[at : at + 4] = struct.pack("<f", 0.5)

    edit(folder, change)
    return EVAL


@case
def state_is_none(folder):
    return ["calibrate", "--merge", "good.state", "calib.npy", "-o", "out.state"]


@case
def state_missing(folder):
    return ["calibrate", "--merge", "good.state", "none.state", "-o", "out.state"]


# Outputs


@case
def output_full(folder):
    return ["calibrate", "model.ig", "calib.npy", "-o", "/dev/full"]


@case
def output_full_samples(folder):
    return ["run", "model.ig", "--engine", "float", "--data", "test.npy", "-o", "/dev/full"]


@case
def output_folder_missing(folder):
    return ["calibrate", "model.ig", "calib.npy", "-o", "none/out.state"]


@case
def output_is_a_folder(folder):
    (folder / "out.state").mkdir()
    return ["calibrate", "model.ig", "calib.npy", "-o", "out.state"]


@case
def output_object_folder_missing(folder):
    return ["compile", "model.ig", "--calibration", "good.state", "--target", "x86-64-v3", "-o", "none/out"]


@case
def output_arena_too_large(folder):
    return ["compile", "model.ig", "--calibration", "good.state", "--target", "x86-64-v3", "--max-arena", "16", "-o", "out"]


# Models as files


@case
def model_missing(folder):
    return ["compile", "none.ig", "--calibration", "calib.npy"]


@case
def model_folder(folder):
    (folder / "m.ig").mkdir()
    return ["inspect", "m.ig"]


@case
def model_empty(folder):
    (folder / "m.ig").write_bytes(b"")
    return ["inspect", "m.ig"]


@case
def model_is_binary(folder):
    (folder / "m.ig").write_bytes(b"\x89PNG\r\n\x1a\n")
    return ["inspect", "m.ig"]


@case
def model_dimensions_huge(folder):
    (folder / "m.ig").write_text(FLOAT_MODEL.replace("8, 8", "4294967296, 4294967296").replace("4, 4", "2147483648, 2147483648"))
    return ["inspect", "m.ig"]


@case
def qconfig_missing(folder):
    return ["compile", "model.ig", "--calibration", "calib.npy", "--qconfig", "none.ig", "-o", "out"]


# Calls


@case
def call_subcommand_unknown(folder):
    return ["complie", "model.ig"]


@case
def call_option_unknown(folder):
    return ["compile", "model.ig", "--calibraton", "calib.npy"]


@case
def call_option_without_value(folder):
    return ["compile", "model.ig", "--target"]


@case
def call_model_not_given(folder):
    return ["compile"]


@case
def schedules_missing(folder):
    return [*COMPILE, "--schedules", "none.txt"]


@case
def schedules_another_file(folder):
    return [*COMPILE, "--schedules", "model.ig"]


@case
def schedules_unknown_choice(folder):
    (folder / "s.txt").write_text("intaglio schedules 1\nx86-64-v3: conv = tiles vectors 2 pixel 3\n")
    return [*COMPILE, "--schedules", "s.txt"]


@case
def schedules_binary(folder):
    (folder / "s.txt").write_bytes(b"intaglio schedules 1\n\0\0\0\n")
    return [*COMPILE, "--tune", "s.txt"]


@case
def schedules_folder(folder):
    (folder / "s.txt").mkdir()
    return [*COMPILE, "--schedules", "s.txt"]


@case
def tune_for_another_cpu(folder):
    return [*COMPILE, "--tune", "s.txt", "--target", "c", "--emit", "c"]


@case
def tune_file_without_folder(folder):
    return [*COMPILE, "--tune", "none/s.txt", "--target", "native"]


@case
def call_tune_and_schedules(folder):
    return [*COMPILE, "--tune", "s.txt", "--schedules", "s.txt"]


@case
def call_tune_seconds_alone(folder):
    return [*COMPILE, "--tune-seconds", "3"]


@case
def call_target_unknown(folder):
    return ["compile", "model.ig", "--calibration", "calib.npy", "--target", "x86-64-v4", "-o", "out"]


@case
def call_emit_unknown(folder):
    return ["compile", "model.ig", "--calibration", "calib.npy", "--emit", "object", "-o", "out"]


@case
def call_engine_unknown(folder):
    return ["run", "model.ig", "--data", "test.npy", "--engine", "fast"]


@case
def call_slice_malformed(folder):
    return [*EVAL, "--samples", "ten"]


@case
def call_slice_outside(folder):
    return [*EVAL, "--samples", "490:510"]


@case
def call_slice_reversed(folder):
    return [*EVAL, "--samples", "20:10"]


@case
def call_pass_unknown(folder):
    return ["compile", "model.ig", "--calibration", "calib.npy", "--dump-after", "fusion", "-o", "out"]


@case
def call_layer_unknown(folder):
    return ["inspect", "model.ig", "--explain", "conv9"]


@case
def call_calibration_not_given(folder):
    return ["compile", "model.ig", "-o", "out"]


@case
def call_share_malformed(folder):
    return ["eval", "model.ig", "--calibration", "good.state", "--data", "test.npy", "--engine", "float", "--max-loss", "much"]


# One tensor


def quantize(*more):
    return ["quantize-tensor", "x.npy", *more, "-o", "out.npy"]


@case
def quantize_missing(folder):
    return quantize()


@case
def quantize_nan(folder):
    (folder / "x.npy").write_bytes(npy("<f4", (3,), struct.pack("<3f", 1, math.nan, 2)))
    return quantize()


@case
def quantize_beyond_float32(folder):
    (folder / "x.npy").write_bytes(npy("<f8", (2,), struct.pack("<2d", 1, 1e300)))
    return quantize()


@case
def quantize_empty(folder):
    (folder / "x.npy").write_bytes(npy("<f4", (0, 4), b""))
    return quantize()


@case
def quantize_integers(folder):
    (folder / "x.npy").write_bytes(npy("<i4", (2,), bytes(8)))
    return quantize()


@case
def quantize_axis(folder):
    (folder / "x.npy").write_bytes(npy("<f4", (2, 2), bytes(16)))
    return quantize("--per-channel", "2")


@case
def quantize_axes(folder):
    (folder / "x.npy").write_bytes(npy("<f4", (1,) * 7, bytes(4)))
    return quantize()


@case
def quantize_no_folder(folder):
    (folder / "x.npy").write_bytes(npy("<f4", (2, 2), bytes(16)))
    return quantize("--dequantized", "d.npy")[:-1] + ["nowhere/out.npy"]


# The report


def report(*more):
    return ["report", "model.ig", "--calibration", "good.state", "--data", "test.npy", "-o", "page.html", *more]


@case
def report_model_missing(folder):
    (folder / "model.ig").unlink()
    return report()


@case
def report_no_folder(folder):
    return report()[:-1] + ["nowhere/page.html"]


@case
def report_data_missing(folder):
    (folder / "test.npy").unlink()
    return report()


@case
def report_labels_few(folder):
    (folder / "labels.npy").write_bytes(npy("<i8", (297,), struct.pack("<297q", *range(297))))
    return report("--labels", "labels.npy")


@case
def report_target_c(folder):
    return report("--target", "c")


@case
def report_samples_beyond(folder):
    return report("--samples", "0:100000")


# tune: what its state files and options may be


TUNE = ["tune", "model.ig", "--calibration", "good.state", "--data", "test.npy", "--labels", "test_labels.npy", "--samples", "0:20", "--steps", "1"]


def tune_with(folder, text):
    (folder / "x.tune").write_text(text)
    return [*TUNE, "--state", "x.tune"]


@case
def tune_state_cut(folder):
    return tune_with(folder, '{"kind": "intaglio tune state", "version": 1, "poi')


@case
def tune_state_checksum(folder):
    return tune_with(folder, '{"kind": "intaglio tune state", "version": 1, "key": "0", "points": {}, "checksum": "0000000000000000"}')


@case
def tune_state_no_state(folder):
    return tune_with(folder, '{"kind": "report"}')


@case
def tune_state_array(folder):
    return tune_with(folder, "[1, 2]")


@case
def tune_state_version(folder):
    return tune_with(folder, '{"kind": "intaglio tune state", "version": 99}')


@case
def tune_state_folder(folder):
    (folder / "x.tune").mkdir()
    return [*TUNE, "--state", "x.tune"]


@case
def tune_state_nowhere(folder):
    return [*TUNE, "--state", "none/x.tune"]


@case
def tune_precision(folder):
    return [*TUNE, "--precisions", "int8,flaot16"]


@case
def tune_observer(folder):
    return [*TUNE, "--observers", "fixed"]


@case
def tune_no_averages(folder):
    return [*TUNE, "--observers", "minmax,moving_average"]


@case
def tune_latency(folder):
    return [*TUNE, "--max-latency", "fast"]


@case
def tune_latency_infinite(folder):
    return [*TUNE, "--max-latency", "1e999s"]


@case
def tune_cost(folder):
    return [*TUNE, "--cost", "money"]


@case
def tune_target_c_time(folder):
    return [*TUNE, "--target", "c", "--cost", "time"]


@case
def tune_no_data(folder):
    return ["tune", "model.ig", "--calibration", "good.state"]


@case
def tune_no_calibration(folder):
    return ["tune", "model.ig", "--data", "test.npy"]


@case
def tune_nothing_possible(folder):
    return [*TUNE, "--precisions", "float32"]


@case
def tune_nothing_left(folder):
    (folder / "rules.ig").write_text("quantize {\n  default default\n  match /.*/ skip\n}\n")
    return [*TUNE, "--qconfig", "rules.ig"]


@case
def tune_output_nowhere(folder):
    return [*TUNE, "-o", "none/best.ig"]


@case
def tune_front_no_folder(folder):
    (folder / "front").write_text("a file\n")
    return [*TUNE, "--front", "front"]
