#!/usr/bin/env python3
"""The innermost loops of Arm code, read from its assembly: multiplications, loads, the rest, and accesses to the stack, which a register tile that fits
has none of; and the tile instructions of AMX code, read from its objects. No such CPU is needed.

    loops.py --intaglio PROGRAM --work FOLDER     prints a table and fails when a loop spills or holds more instructions than it may, or tiles are missing
"""
import argparse
import array
import os
import random
import re
import shutil
import subprocess
import sys

TARGETS = ("aarch64-neon", "aarch64-dotprod", "aarch64-i8mm")
# name, input channels, output channels, size, kernel, stride; output channels 0: depthwise
LAYERS = (("3x3 64->64", 64, 64, 14, 3, 1), ("1x1 128->128", 128, 128, 8, 1, 1), ("3x3 3->16 /2", 3, 16, 32, 3, 2), ("depthwise 3x3", 64, 0, 14, 3, 1),
          ("depthwise 3x3 /2", 64, 0, 15, 3, 2))
# Products of one instruction, 0 for those that only add products up. A target's own for convolutions comes first.
PRODUCTS = {"usmmla": 32, "smmla": 32, "usdot": 16, "sudot": 16, "sdot": 16, "smull": 8, "smull2": 8, "smlal": 4, "smlal2": 4, "mla": 4, "sadalp": 0}
# Least share of multiplications (with the additions that belong to them) in the loop, by target, for convolutions; and products per instruction of depthwise layers.
SHARE = {"aarch64-neon": 0.74, "aarch64-dotprod": 0.75, "aarch64-i8mm": 0.55}
DEPTHWISE = {"aarch64-neon": 1.5, "aarch64-dotprod": 2.2, "aarch64-i8mm": 2.2}


STACK_DEPTHWISE = 2
# Which layers are to be done by tiles for x86-64-amx.
TILES = {"3x3 64->64": True, "1x1 128->128": True, "3x3 3->16 /2": False, "depthwise 3x3": False, "depthwise 3x3 /2": False}


def npy(path, shape, rng):
    n = 1
    for d in shape:
        n *= d
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': %r, }" % (tuple(shape),)
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        f.write(array.array("f", (rng.uniform(-1, 1) for _ in range(n))).tobytes())


def model(work, layer, rng):
    """The layer between two others, so that it reads and writes int8."""
    name, ic, oc, size, kernel, stride = layer
    base = os.path.join(work, re.sub(r"\W+", "_", name))
    out = (size + stride - 1) // stride
    op = f"conv2d(h, filters: {oc}, " if oc else "depthwise_conv2d(h, "
    shape = f"[{oc}, {ic}, {kernel}, {kernel}]" if oc else f"[{ic}, 1, {kernel}, {kernel}]"
    count = oc * ic * kernel * kernel if oc else ic * kernel * kernel
    weights = [rng.gauss(0, 0.1) for _ in range(count)]
    head = '{"layer.weight":{"dtype":"F32","shape":%s,"data_offsets":[0,%d]},"layer.bias":{"dtype":"F32","shape":[%d],"data_offsets":[%d,%d]}}' % (
        shape, 4 * count, oc or ic, 4 * count, 4 * count + 4 * (oc or ic))
    with open(base + ".safetensors", "wb") as f:
        f.write(len(head).to_bytes(8, "little") + head.encode() + array.array("f", weights + [0.1] * (oc or ic)).tobytes())
    npy(base + ".npy", (4, ic, size, size), rng)
    with open(base + ".ig", "w") as f:
        f.write(f'weights "{os.path.basename(base)}.safetensors"\nmodel m(x: f32[1, {ic}, {size}, {size}]) -> (y: f32[1, {oc or ic}, {out}, {out}]) {{\n'
                f'  h = max_pool2d(x, kernel: 1, stride: 1)\n  h = {op}kernel: {kernel}, stride: {stride}, pad: same, name: "layer")\n  y = max_pool2d(h, kernel: 1, stride: 1)\n}}\n')
    return base


def assembly(args, base, target):
    r = subprocess.run([args.intaglio, "compile", base + ".ig", "--quiet", "--calibration", base + ".npy", "--target", target, "--emit", "asm", "-o", base],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        sys.exit(f"{base}: {r.stdout}")
    return open(base + ".s").read().splitlines()


def loops(lines):
    """Straight pieces of code from a label to a branch to it, in the layer's function."""
    inside, label, code = False, None, []
    for line in lines:
        text = line.split("//")[0].rstrip()
        if re.match(r"\w+:$", text) and not text.startswith(".L"):
            inside = "_k_layer" in text
            label = None
        elif re.match(r"\.LBB\w+:", text):
            label, code = text.split(":")[0], []
        elif inside and label and text.startswith("\t") and not text.startswith("\t."):
            code.append(text.strip())
            if re.match(r"(b\.|cb|tb)", code[-1]):
                if code[-1].endswith(label):
                    yield code
                label = None


def measure(code):
    count = dict(products=0, dots=0, adds=0, loads=0, stack=0, all=len(code))
    for text in code:
        op = text.split()[0]
        if op in PRODUCTS:
            n = PRODUCTS[op]
            if op in ("smull", "smull2") and ".4s" in text:
                n = 4
            count["products"] += n
            count["dots" if n else "adds"] += 1
        elif op.startswith("ld") and "sp" not in re.findall(r"\b(sp)\b", text):
            count["loads"] += 1
        count["stack"] += bool(re.search(r"\[sp\b", text))
    return count


def tiles(args, base, name):
    """What is wrong with the tile instructions of the layer's object: each function sets and releases what it uses, and multiplies by twos and twos."""
    r = subprocess.run([args.intaglio, "compile", base + ".ig", "--quiet", "--calibration", base + ".npy", "--target", "x86-64-amx", "--emit", "obj", "-o", base],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        return r.stdout
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", base + ".o"], stdout=subprocess.PIPE, text=True, check=True).stdout
    n = {op: len(re.findall(rf"\s{op}\s", text)) for op in ("ldtilecfg", "tileloadd", "tdpbusd", "tilestored", "tilerelease")}
    print(f"{name:18} x86-64-amx       " + ", ".join(f"{v} {k}" for k, v in n.items()))
    if not TILES[name]:
        return "tiles where vectors are better" if any(n.values()) else None
    if n["ldtilecfg"] != 1 or n["tilerelease"] != 1 or n["tdpbusd"] < 4 or n["tilestored"] < 4 or n["tileloadd"] < 8:
        return f"not the tile instructions of a layer: {n}"
    return None


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--intaglio", required=True)
    p.add_argument("--work", required=True)
    args = p.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    os.makedirs(args.work)
    bad = []
    print(f"{'layer':18} {'target':16} products  multiply  add up  loads  other  stack  products/instruction")
    for layer in LAYERS:
        base = model(args.work, layer, random.Random(1))
        wrong = tiles(args, base, layer[0])
        if wrong:
            bad.append(f"{layer[0]} x86-64-amx: {wrong}")
        for target in TARGETS:
            found = [measure(code) for code in loops(assembly(args, base, target))]
            if not found:
                bad.append(f"{layer[0]} {target}: no loop found")
                continue
            c = max(found, key=lambda m: m["products"])
            other = c["all"] - c["dots"] - c["adds"] - c["loads"]
            print(f"{layer[0]:18} {target:16} {c['products']:8} {c['dots']:9} {c['adds']:7} {c['loads']:6} {other:6} {c['stack']:6} {c['products'] / c['all']:10.2f}")
            if c["stack"] > (0 if layer[2] else STACK_DEPTHWISE):
                bad.append(f"{layer[0]} {target}: {c['stack']} accesses to the stack in its innermost loop")
            if layer[2] >= 64 and (c["dots"] + c["adds"]) / c["all"] < SHARE[target]:
                bad.append(f"{layer[0]} {target}: {c['dots'] + c['adds']} of {c['all']} instructions multiply")
            if not layer[2] and c["products"] / c["all"] < DEPTHWISE[target]:
                bad.append(f"{layer[0]} {target}: {c['products'] / c['all']:.2f} products an instruction")
    for text in bad:
        print("FAILED:", text)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
