weights "tiny.safetensors"   # warnings: unused tensors, layer, input, block

block never(x) { return relu(x) }
model m(x: f32[1, 1, 6, 6], z: f32[1]) -> (y: f32[1, 4, 4, 4]) {
  y = conv2d(x, name: "conv0")
  t = relu(y)
}
