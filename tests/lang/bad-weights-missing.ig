weights "tiny.safetensors"

model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = conv2d(x, filters: 4, kernel: 3, name: "conv_0")
}
