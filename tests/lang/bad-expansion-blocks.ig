block f0(x) { return relu(x) }
block f1(x) { return f0(f0(x)) }
block f2(x) { return f1(f1(x)) }
block f3(x) { return f2(f2(x)) }
block f4(x) { return f3(f3(x)) }
block f5(x) { return f4(f4(x)) }
block f6(x) { return f5(f5(x)) }
block f7(x) { return f6(f6(x)) }
block f8(x) { return f7(f7(x)) }
block f9(x) { return f8(f8(x)) }
block f10(x) { return f9(f9(x)) }
block f11(x) { return f10(f10(x)) }
block f12(x) { return f11(f11(x)) }
block f13(x) { return f12(f12(x)) }
block f14(x) { return f13(f13(x)) }
block f15(x) { return f14(f14(x)) }
block f16(x) { return f15(f15(x)) }
block f17(x) { return f16(f16(x)) }
block f18(x) { return f17(f17(x)) }
block f19(x) { return f18(f18(x)) }
block f20(x) { return f19(f19(x)) }
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = f20(x)
}
