#!/usr/bin/env python3
"""Commands with their standard output, standard error and exit status, compared with golden/NAME.txt.

golden.py --intaglio PROGRAM --source FOLDER [--rewrite] [NAME...]"""
import difflib
import pathlib
import shlex
import struct
import sys

from common import Folder, arguments, write_npy

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
STATE = "--calibration digits.state "
COMMANDS = ["compile", "import", "calibrate", "inspect", "eval", "compare", "run", "bench", "quantize-tensor", "report", "tune", "help"]
# name: command. `digits` runs in a folder with the example; `kws` needs the shared data.
CASES = {
    "none": "",
    "help": "help",
    **{f"help_{name}".replace("-", "_"): f"help {name}" for name in COMMANDS},
    "help_option": "eval --help",
    "help_passes": "help passes",
    "help_unknown": "help evla",
    "version": "--version",
    # wrong usage
    "usage_command": "complie model.ig",
    "usage_command_far": "xyzzy",
    "usage_command_option": "--json",
    "usage_option": "compile model.ig --calibraton calib.npy",
    "usage_option_far": "compile model.ig --xyzzy",
    "usage_option_elsewhere": "compile model.ig --labels test_labels.npy",
    "usage_letter": "compile model.ig -x",
    "usage_value_missing": "compile model.ig --target",
    "usage_value_empty": "compile model.ig --target=",
    "usage_flag_value": "compile model.ig --verify=yes",
    "usage_twice": "compile model.ig --target c --target c",
    "usage_argument_missing": "inspect",
    "usage_argument_more": "inspect model.ig other.ig",
    "usage_after_dashes": "inspect -- --json",
    "usage_samples": "eval model.ig --data test.npy --samples 5",
    "usage_samples_empty": "eval model.ig --data test.npy --samples 5:5",
    "usage_sample": "run model.ig --data test.npy --sample -1",
    "usage_sample_and_samples": "run model.ig --data test.npy --sample 1 --samples 1:2",
    "usage_share": "eval model.ig --data test.npy --max-loss 2",
    "usage_jobs": "eval model.ig --data test.npy -j 0",
    "usage_bytes": "compile model.ig --max-arena 12Q",
    "usage_number_huge": "compile model.ig --max-arena 99999999999999999999",
    "usage_engine": "eval model.ig --data test.npy --engine float,referenze",
    "usage_engines_of_run": "run model.ig --data test.npy --engine float,kir",
    "usage_emit": "compile model.ig --emit obj,heade",
    "usage_emit_of_target": "compile model.ig --target c --emit asm",
    "usage_emit_device": "compile model.ig --emit obj,header -o /dev/null",
    "usage_target": "compile model.ig --target x86-64-avx512vni",
    "usage_pass": "compile model.ig --dump-after fusee",
    "usage_stop_all": "compile model.ig --stop-after all",
    "usage_dump_dir": "compile model.ig --dump-dir dumps",
    "usage_data": "eval model.ig",
    "usage_agreement": "eval model.ig --data test.npy --engine float --min-agreement 90%",
    "usage_metric": "eval model.ig --data test.npy --metric f1",
    "usage_metric_labels": "eval model.ig --data test.npy --metric auc",
    "usage_sort": "compare model.ig --data test.npy --sort name",
    "usage_calls": "bench model.ig --calls 0",
    "usage_import": "import model.ig -o other.ig",
    "usage_import_output": "import model.onnx -o model.txt",
    "usage_state": "calibrate model.ig calib.npy",
    "usage_calibrate_data": "calibrate model.ig -o x.state",
    "usage_merge_select": "calibrate --merge digits.state --select 5 -o x.state",
    "usage_merge": "calibrate --merge digits.state --samples 0:5 -o x.state",
    "usage_explain_memory": "inspect model.ig --explain fc --memory",
    "usage_quantize_output": "quantize-tensor test.npy",
    "usage_quantize_dtype": "quantize-tensor test.npy --dtype u9 -o q.npy",
    "usage_quantize_observer": "quantize-tensor test.npy --observer fixed -o q.npy",
    "usage_quantize_range": "quantize-tensor test.npy --range=1:-1 -o q.npy",
    "usage_quantize_both": "quantize-tensor test.npy --range=-1:1 --observer mse -o q.npy",
    "usage_report_data": "report model.ig -o page.html",
    "usage_report_output": "report model.ig --data test.npy",
    "usage_report_stdout": "report model.ig --data test.npy -o -",
    # what is in a file
    "inspect_model": "inspect model.ig",
    "inspect_model_json": "inspect model.ig --json",
    "inspect_quantized": f"inspect model.ig {STATE}",
    "inspect_explain": "inspect model.ig --explain res.conv2 --qconfig rules.ig",
    "inspect_explain_absorbed": "inspect model.ig --explain res.bn2 --qconfig rules.ig",
    "inspect_explain_unknown": "inspect model.ig --explain res.conv3",
    "inspect_rules": "inspect model.ig --qconfig rules.ig",
    "inspect_state": "inspect digits.state",
    "inspect_weights": "inspect weights.safetensors",
    "inspect_array": "inspect test.npy",
    "inspect_array_explain": "inspect test.npy --explain fc",
    "inspect_kws": "inspect examples/kws/model.ig",
    "inspect_kws_missing": "inspect nothing.ig",
    # results
    "calibrate": "calibrate model.ig calib.npy -o again.state",
    "calibrate_few": "calibrate model.ig calib.npy --samples 0:10 -o few.state",
    "eval": f"eval model.ig {STATE}--data test.npy --labels test_labels.npy --engine float,reference,kir --target x86-64-v3",
    "eval_json": f"eval model.ig {STATE}--data test.npy --labels test_labels.npy --engine float,reference,kir --target x86-64-v3 --json",
    "eval_no_labels": f"eval model.ig {STATE}--data test.npy --samples 0:100 --engine float,reference",
    "eval_float": "eval model.ig --data test.npy --labels test_labels.npy --engine float",
    "eval_bad_state": "eval model.ig --calibration dark.state --data test.npy --labels test_labels.npy --engine float,reference",
    "eval_agreement": "eval model.ig --calibration dark.state --data test.npy --engine float,reference --min-agreement 99%",
    "eval_top_k": f"eval model.ig {STATE}--data test.npy --labels test_labels.npy --engine float,reference --top-k 2",
    "eval_perplexity": f"eval model.ig {STATE}--data test.npy --labels test_labels.npy --engine float,reference --metric perplexity",
    "eval_mse": f"eval model.ig {STATE}--data test.npy --engine float,reference --metric mse",
    "eval_uncertain": f"eval model.ig {STATE}--data test.npy --labels test_labels.npy --engine float,reference --metric perplexity --max-loss 0.05%",
    "eval_tokens": f"eval model.ig {STATE}--data test.npy --labels tokens.npy --engine float,reference",
    "eval_two": "eval two.ig --calibration calib.npy --data test.npy --labels is_one.npy --engine float,reference --metric auc",
    "eval_same_size": "eval same.ig --data points.npy --labels largest.npy --engine float",
    "eval_auc": "eval one.ig --calibration calib.npy --data test.npy --labels is_one.npy --engine float,reference --json",
    "eval_auc_labels": f"eval one.ig --calibration calib.npy --data test.npy --labels test_labels.npy --engine float,reference",
    "eval_auc_score": f"eval model.ig {STATE}--data test.npy --labels is_one.npy --engine float,reference --metric auc",
    "eval_recover": "eval model.ig --qconfig recover.ig --calibration recover.state --data test.npy --labels test_labels.npy --engine float,reference",
    "eval_recover_bias": "eval model.ig --qconfig bias.ig --calibration calib.npy --data test.npy --labels test_labels.npy --engine float,reference",
    "eval_recover_bias_state": f"eval model.ig --qconfig bias.ig {STATE}--data test.npy --engine float,reference",
    "eval_gptq": "eval model.ig --qconfig gptq.ig --calibration calib.npy --data test.npy --labels test_labels.npy --engine float,reference",
    "eval_awq": "eval model.ig --qconfig awq.ig --calibration calib.npy --data test.npy --labels test_labels.npy --engine float,reference",
    "eval_awq_state": f"eval model.ig --qconfig awq.ig {STATE}--data test.npy --engine float,reference",
    "eval_awq_nothing": "eval model.ig --qconfig awq_static.ig --calibration calib.npy --data test.npy --engine float,reference",
    "eval_gptq_state": f"eval model.ig --qconfig gptq.ig {STATE}--data test.npy --engine float,reference",
    "eval_gptq_missing": "eval model.ig --qconfig gptq.ig --data test.npy --engine float,reference",
    "eval_gptq_nothing": "eval model.ig --qconfig gptq_float.ig --calibration calib.npy --data test.npy --engine float,reference",
    "inspect_recover": "inspect model.ig --qconfig recover.ig --calibration recover.state",
    "inspect_recover_bias": "inspect model.ig --qconfig bias.ig --calibration calib.npy",
    "inspect_recover_json": "inspect model.ig --qconfig bias.ig --calibration calib.npy --json",
    "eval_recover_state": f"eval model.ig --qconfig recover.ig {STATE}--data test.npy --engine float,reference",
    "eval_calibration_missing": "eval model.ig --data test.npy --engine float,reference",
    "compare": f"compare model.ig {STATE}--data test.npy --samples 0:100",
    "compare_worst_json": f"compare model.ig {STATE}--data test.npy --samples 0:100 --worst 2 --json",
    "compare_sort": f"compare model.ig {STATE}--data test.npy --samples 0:100 --sort weights",
    "compare_some_float": f"compare model.ig {STATE}--data test.npy --samples 0:100 --qconfig rules.ig --sort alone",
    "run_one": f"run model.ig {STATE}--data test.npy --sample 3",
    "run_two_json": f"run model.ig {STATE}--data test.npy --samples 3:5 --json",
    "run_no_sample": f"run model.ig {STATE}--data test.npy --sample 500",
    "quantize_tensor": "quantize-tensor ramp.npy -o q.npy",
    "quantize_channels": "quantize-tensor ramp.npy --dtype s8 --per-channel 0 -o q.npy",
    "quantize_range": "quantize-tensor ramp.npy --dtype s8 --scheme power_of_two --range=-1:1 -o q.npy",
    "quantize_groups_json": "quantize-tensor ramp.npy --dtype s4 --observer mse --per-channel 0 --group 4 -o q.npy --json",
    "compile_calibration_missing": "compile model.ig --target c",
}
RULES = """quantize {
  default          static(activations: minmax(u8), weights: minmax(s8, per_channel))
  type conv2d      static(activations: histogram(u8), weights: minmax(s8, per_channel))
  match /res\\..*/  fbgemm
  layer "fc"       skip
}
"""


def one_of_ten(path):
    """The example with a single number as its output, how much an image looks like a 1, and with two, how much like a 7 and a 1; and labels that say of each
    whether it is one."""
    model = (path / "model.ig").read_text()
    model = model.replace("(probs: f32[1, 10])", "(one: f32[1, 1])").replace("probs = softmax(fc)", "one = slice(fc, starts: 1, ends: 2, axes: 1)")
    (path / "one.ig").write_text(model)
    (path / "two.ig").write_text(model.replace("one: f32[1, 1]", "one: f32[1, 2]").replace("starts: 1, ends: 2", "starts: 7, ends: 0, steps: -6"))
    (path / "same.ig").write_text("model same(x: f32[1, 3]) -> (y: f32[1, 3]) { y = softmax(x) }\n")  # as many classes as inputs: no autoencoder
    write_npy(path / "points.npy", "<f4", (3, 3), struct.pack("<9f", 1, 2, 3, 6, 5, 4, 8, 9, 7))
    write_npy(path / "largest.npy", "|u1", (3,), bytes([2, 0, 0]))
    write_npy(path / "tokens.npy", "|u1", (500, 3), bytes(1500))
    labels = (path / "test_labels.npy").read_bytes()
    values = 10 + int.from_bytes(labels[8:10], "little")
    size = (len(labels) - values) // 500
    numbers = (int.from_bytes(labels[i : i + size], "little") for i in range(values, len(labels), size))
    (path / "is_one.npy").write_bytes(labels[:values] + b"".join((n == 1).to_bytes(size, "little") for n in numbers))


def said(folder, args, command):
    if "examples/kws" in command:
        if not (args.source.parent / "shared" / "data" / "kws").is_dir():
            return None
        done = folder.run(*shlex.split(command), cwd=args.source)
    else:
        done = folder.run(*shlex.split(command))
    text = f"$ intaglio {command}\n{done.stdout}"
    if done.stderr:
        text += f"--- standard error\n{done.stderr}"
    return text.replace(str(folder.path), "FOLDER") + f"--- exit status {done.returncode}\n"


def main():
    args = arguments(__doc__)
    failed = run = 0
    with Folder(args.intaglio, args.source) as folder:
        (folder.path / "rules.ig").write_text(RULES)
        (folder.path / "dark").write_bytes(bytes(range(100)) + bytes(99 * 64 - 36))  # a calibration that knows almost only dark images
        folder.run("calibrate", "model.ig", "dark:u8", "--samples", "10:100", "-o", "dark.state")
        write_npy(folder.path / "ramp.npy", "<f4", (3, 7), struct.pack("<21f", *((i - 8) * (1 + i % 7) / 16 for i in range(21))))
        one_of_ten(folder.path)
        (folder.path / "recover.ig").write_text("quantize {\n  default default\n  recover equalize\n}\n")
        (folder.path / "bias.ig").write_text("quantize {\n  default static(weights: minmax(s8, per_tensor))\n  recover bias_correction\n}\n")
        for name, config in (("gptq", "weight_only(weights: minmax(s4))"), ("gptq_float", "float16"), ("awq", "weight_only(weights: minmax(s4))"), ("awq_static", "default")):
            (folder.path / f"{name}.ig").write_text(f"quantize {{\n  default {config}\n  recover {name.split('_')[0]}\n}}\n")
        folder.run("calibrate", "model.ig", "calib.npy", "--qconfig", "recover.ig", "-o", "recover.state")
        before = folder.names()
        for name, command in CASES.items():
            if args.names and name not in args.names:
                continue
            text = said(folder, args, command)
            if text is None:
                print(f"SKIP: {name} needs the shared data [data]")
                continue
            run += 1
            golden = GOLDEN / f"{name}.txt"
            if args.rewrite:
                GOLDEN.mkdir(exist_ok=True)
                golden.write_text(text)
            want = golden.read_text() if golden.exists() else ""
            if text != want:
                failed += 1
                print(f"FAILED: {name}")
                sys.stdout.writelines(difflib.unified_diff(want.splitlines(True), text.splitlines(True), "expected", "said"))
        left = set(folder.names()) - set(before) - {"again.state", "few.state", "q.npy"}
        if left:
            failed += 1
            print("FAILED: files were left behind:", sorted(left))
    if not args.names:
        stale = {p.stem for p in GOLDEN.glob("*.txt")} - set(CASES)
        if stale:
            failed += 1
            print("FAILED: golden files of no case:", sorted(stale))
    print(f"{run} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
